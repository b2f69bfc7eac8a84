"""`provider.probe`: how providers answer is known though nobody calls them."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.provider_probe import ProbeReport, ProviderProbeActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import PROBE
    from workflows.search_attributes import State


@workflow.defn(name="provider.probe")
class ProbeProviders:
    """One probe of every provider. What it could not keep is not made up for: the next run asks again."""

    @workflow.run
    async def run(self) -> ProbeReport:
        search_attributes.declare(PLATFORM)
        report = await workflow.execute_activity_method(ProviderProbeActivities.probe, **PROBE)
        search_attributes.enter(State.DONE)
        return report
