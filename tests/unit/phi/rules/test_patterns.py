"""Telephone numbers, mailboxes, handles, URLs and machine addresses."""

import pytest

from tests.unit.phi.rules.marked import kinds, leaks, shaped


@pytest.mark.parametrize(
    "marked",
    [
        "cell <<617.555.0199>>, home <<617 555 0133>>, w: <<(617)555-0144 ext. 22>>",
        "phone <<6175550199>>; ph# <<+16175550199>>; tel: <<555-0199>>",
        "call <<1-800-FLOWERS>> or <<+44 20 7946 0958>> or <<011 49 30 901820>>",
        "fax <<5551234567>>. Fax: <<555.123.4567>>; pager <<4471>>",
        "reach her at <<617-555-0199 x4>> or <<617/555-0199>>",
        (
            "Mom's cell: <<617-555-0133>> (text ok). Dad <<(617)555-0144>>. Home <<555 0155>>. Work: "
            "<<1.617.555.0166>> x <<301>>"
        ),
        "Fax results to <<617 555 0177>> attn Dr. Kim; e-fax: <<1-617-555-0178>>; F: <<617-555-0179>>",
        "pt's # is <<617-555-0199>>; number: <<6175550133>>; TTY <<800-555-0199>>",
    ],
)
def test_telephone_and_fax_numbers_are_hidden_however_they_are_grouped(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "marked",
    [
        (
            "see <<https://mychart.lopezclinic.org/p/88123?x=1>> and <<www.caringbridge.org/visit/marialopez>"
            "> and <<facebook.com/maria.lopez.44>>"
        ),
        (
            "linkedin: <<linkedin.com/in/maria-lopez-44>>; her blog <<maria-lopez-fights.blog/post/1>>; "
            "twitter <<@mlopez_44>>, IG <<@maria.lopez>>"
        ),
        "email <<maria.lopez+rx@mail.example.co.uk>>; <<mlopez [at] example [dot] com>>; <<maria at example dot com>>",
        (
            "logged in from <<192.168.4.17>> and <<2001:db8:85a3::8a2e:370:7334>>, MAC <<00:1B:44:11:3A:B7>> "
            "/ <<00-1B-44-11-3A-B7>>"
        ),
        "GPS <<42.3601, -71.0589>>; location <<42.36010\u00b0 N, 71.05890\u00b0 W>>",
        "file s3://bucket/patients/<<lopez_maria>>/scan.dcm and /data/patients/<<00123456>>/note.txt",
        r"scan at C:\Patients\<<Lopez_Maria>>\ct.dcm ; report_<<20240314>>.pdf",
        "Webex https://<<clinic.webex.com/meet/mlopez>> zoom <<https://us02web.zoom.us/j/88123447712?pwd=abc>>",
        (
            "Site: <<www.marialopezblog.net>>, <<gofundme.com/f/help-maria-lopez>>, "
            "<<http://lopezfamily.wordpress.com>>, <<facebook.com/mlopez52>>"
        ),
        (
            "IPs <<172.16.254.1>>, <<73.162.88.12:443>>, <<2601:0646:8000:1234:0000:8a2e:0370:7334>>, "
            "<<[fe80::1ff:fe23:4567:890a]>>"
        ),
    ],
)
def test_addresses_of_people_on_networks_are_hidden(marked: str) -> None:
    assert leaks(marked) == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://www.cdc.gov/flu/about and https://docs.python.org/3/library/re.html",
        "@property def f(self): pass; @media screen; npm i @types/node@18.0.0",
        "docker run -p 8080:80 nginx:1.25.3; kubectl get pods -n kube-system; 10.0.0.0/8? ",
        "pip install torch==2.1.0 --index-url https://download.pytorch.org/whl/cu118; npm i react@18.2.0",
        (
            "https://pubmed.ncbi.nlm.nih.gov/31978945/ and https://www.fda.gov/media/144245/download and "
            "github.com/org/repo"
        ),
    ],
)
def test_public_addresses_packages_and_decorators_stay(text: str) -> None:
    assert shaped(text) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://portal.example.org/patients/maria-lopez",
        "https://api.example.org/patients/48213",
        "https://app.example.com/view?patient_id=4412",
    ],
)
def test_a_path_that_names_a_patient_counts_on_any_host(url: str) -> None:
    assert kinds(url) == [(url, "URL")]


@pytest.mark.parametrize("text", ["https://api.example.com/patients/{id}", "https://api.example.com/patients/search"])
def test_a_path_of_an_interface_names_nobody(text: str) -> None:
    assert kinds(text) == []


def test_a_machine_behind_the_name_of_a_workstation_is_hidden() -> None:
    assert leaks("by mtrujillo@<<ws-172.19.4.77>>") == []


def test_a_telephone_number_between_slashes_is_hidden() -> None:
    assert leaks("Opal (niece) <<208/555/0155>>") == []
