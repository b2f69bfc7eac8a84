"""URLs that customers may try, none of which may be connected to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hostile:
    """`answers` are what its name leads to, when it is one that is looked up."""

    url: str
    answers: tuple[str, ...] = ()


def at(host: str, *answers: str) -> Hostile:
    return Hostile(f"https://{host}:8443/hook", answers)


NAMED = "evil.example.com"

# Each address is tried twice: written in the URL, and behind a name.
ADDRESSES = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # compatible
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:8.8.8.8",  # public within, and still the translator's to deliver
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
)

NOTATIONS = (
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.01",
    "127.1",
    "127.0.1",
    "0",
    "0x0",
    "127.0.0.1.",
    "2852039166",
    "169.254.43518",
    "0xa9fea9fe",
    "425.510.425.510",
    "127.0.0.1%00.example.com",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",  # noqa: RUF001 - that is the trick
    "127。0。0。1",
    "127．0．0．1",  # noqa: RUF001
    "٠١٢٣٤٥٦٧٨٩",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[::1%25lo]",
    "[2606:4700::1111%25eth0]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:ffff:7f00:0001]",
    "[v1.1]",
    "[",
)

NAMES = (
    "localhost",
    "localhost.",
    "LOCALHOST",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "loc%61lhost",
    "foo.localhost",
    "foo.localhost.",
    "localhost.localdomain",
    "metadata.google.internal",
    "metadata.google.internal.",
    "instance-data.ec2.internal",
    "printer.local",
    "db.corp",
    "router.lan",
    "nas.home.arpa",
    "wiki.intranet",
    "x.onion",
    "postgres",
    "temporal",
    "a..example.com",
    ".example.com",
    "-",
    "xn--",
    "ex*mple.com",
)

FORMS = (
    Hostile("http://hooks.example.com/hook"),
    Hostile("http://127.0.0.1:8080/hook"),
    Hostile("ftp://hooks.example.com/hook"),
    Hostile("file:///etc/passwd"),
    Hostile("gopher://127.0.0.1:6379/_SET"),
    Hostile("unix:///var/run/docker.sock"),
    Hostile("//hooks.example.com/hook"),
    Hostile("hooks.example.com"),
    Hostile(""),
    Hostile("https://"),
    Hostile("https:///hook"),
    Hostile("https://user:password@hooks.example.com/hook"),
    Hostile("https://hooks.example.com@127.0.0.1:8443/hook"),
    Hostile("https://@127.0.0.1:8443/hook"),
    Hostile("https://@hooks.example.com/hook"),
    Hostile("https://hooks.example.com\\@127.0.0.1:8443/hook"),
    Hostile("https://hooks.example.com#@127.0.0.1:8443/hook"),
    Hostile("https://hooks.example.com/hook#"),
    Hostile("https:\\\\127.0.0.1:8443\\hook"),
    Hostile("https://127.0.0.1:8443\t/hook"),
    Hostile("https://127.0.0.1\n:8443/hook"),
    Hostile("https://hooks.example.com/hook\r\nX-Injected: 1"),
    Hostile("https://hooks.example.com/hook HTTP/1.1"),
    Hostile("https://hooks.example.com\u2028/hook"),
    Hostile("https://hooks.example.com:0/hook"),
    Hostile("https://hooks.example.com:22/hook"),
    Hostile("https://hooks.example.com:25/hook"),
    Hostile("https://hooks.example.com:80/hook"),
    Hostile("https://hooks.example.com:99999/hook"),
    Hostile("https://hooks.example.com:-1/hook"),
    Hostile("https://hooks.example.com:8443:8443/hook"),
    Hostile(f"https://hooks.example.com/{'a' * 2048}"),
)

TARGETS = (
    *(at(f"[{address}]" if ":" in address else address) for address in ADDRESSES),
    *(at(NAMED, address) for address in ADDRESSES),
    *(at(host, "127.0.0.1") for host in (*NOTATIONS, *NAMES)),
    at(NAMED, "10.0.0.1", "fd00::1", "::1"),
    at(f"{NAMED}.", "127.0.0.1"),
    *FORMS,
)
