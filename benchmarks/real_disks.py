"""What a server and a volume cost on a real node, against the tools that do the work, by hand and in the same minute.

Needs root, libvirt and QEMU: it has a libvirtd of its own. The guests' disk is empty: what is measured ends when QEMU runs.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

from benchmarks.cloud import BenchCloud, wait_for
from benchmarks.figures import Figure, p
from benchmarks.files import mb_per_s, random_file, timed
from benchmarks.http import Client
from common.ids import new_id
from compute_agent.storage.disks import recorded_base
from tests.fixtures.private_libvirt import private_libvirt

SERVERS, VOLUMES, SIZE_MIB = 10, 3, 256


def against_tools(cloud: BenchCloud) -> list[Figure]:
    """Ratios to `qemu-img create` with `virsh create`, and to `qemu-img convert`; above 1 is slower than they are."""
    with on_qemu(cloud) as (client, uri):
        server = _servers(cloud, client, uri)
        return [server, _volumes(cloud)]


@contextmanager
def on_qemu(cloud: BenchCloud) -> Iterator[tuple[Client, str]]:
    """The cloud with a node of real guests, of whom none is left afterwards: a client, and the node's libvirt."""
    with private_libvirt(cloud.folder / "libvirt") as libvirt:
        agent = replace(cloud.config.agent, driver="qemu", libvirt_uri=libvirt.uri)
        cloud.config = replace(cloud.config, agent=agent)
        cloud.start_api(1)
        cloud.start_scheduler("s1")
        cloud.start_agents(1)
        client = cloud.client()
        cloud.furnish(upload(cloud, client))
        try:
            yield client, libvirt.uri
        finally:
            for name in virsh(libvirt.uri, "list", "--name").split():
                virsh(libvirt.uri, "destroy", name)
            client.close()


def upload(cloud: BenchCloud, client: Client) -> str:
    """A qcow2 of random bytes; its id."""
    raw, source = cloud.folder / "source.raw", cloud.folder / "source.qcow2"
    random_file(raw, SIZE_MIB)
    subprocess.run(["qemu-img", "convert", "-q", "-O", "qcow2", str(raw), str(source)], check=True)
    raw.unlink()
    asked = {"name": "bench", "disk_format": "qcow2", "container_format": "bare", "visibility": "private"}
    image_id = str(client.request("POST", "/image/v2/images", asked)["id"])
    client.put_file(f"/image/v2/images/{image_id}/file", source)
    return image_id


def _servers(cloud: BenchCloud, client: Client, uri: str) -> Figure:
    """The first one is not counted: it fetches the image."""
    took, by_hand = [], []
    for number in range(SERVERS + 1):
        began = time.perf_counter()
        reply = client.request("POST", "/compute/v2.1/servers", cloud.server(f"real{number}"))
        path = f"/compute/v2.1/servers/{reply['server']['id']}"
        _wait(client, path, "server", "ACTIVE")
        took.append(time.perf_counter() - began)
        by_hand.append(_by_hand(cloud, uri, reply["server"]["id"]))
        client.request("DELETE", path)
        wait_for("its end", lambda: not virsh(uri, "list", "--all", "--name").split())
    own, tools = median(took[1:]), median(by_hand[1:])
    more = {
        "server_ms": round(own * 1000), "tools_ms": round(tools * 1000), "p90_ms": p(90, [each * 1000 for each in took[1:]])
    }  # fmt: skip
    return Figure("server_create_ratio", own / tools, None, more=more)


def _by_hand(cloud: BenchCloud, uri: str, server_id: str) -> float:
    """Seconds for an overlay on the same image and a guest with the same XML, under another name, without its mark."""
    tree = ElementTree.fromstring(virsh(uri, "dumpxml", "--inactive", server_id))
    source = tree.find("devices/disk/source")
    assert source is not None
    root = Path(source.attrib["file"])
    overlay, xml = root.with_name("by-hand.qcow2"), cloud.folder / "by-hand.xml"
    name, uuid = tree.find("name"), tree.find("uuid")
    assert name is not None
    assert uuid is not None
    former, name.text, uuid.text = uuid.text, "by-hand", new_id()
    for element in tree.findall("sysinfo/system/entry"):
        element.text = uuid.text if element.text == former else element.text
    metadata = tree.find("metadata")
    if metadata is not None:
        tree.remove(metadata)
    for element in tree.iter("source"):
        if element.get("file") == str(root):
            element.set("file", str(overlay))
    for element in tree.iter("log"):
        element.set("file", str(root.with_name("by-hand.log")))
    xml.write_text(ElementTree.tostring(tree, encoding="unicode"))
    base = recorded_base(root)
    assert base is not None

    def make() -> None:
        words = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base.path), "-F", base.format, str(overlay), "1G"]
        subprocess.run(words, check=True)
        virsh(uri, "create", str(xml))

    took = timed(make)
    virsh(uri, "destroy", "by-hand")
    overlay.unlink()
    return took


def _volumes(cloud: BenchCloud) -> Figure:
    """Each round has a connection of its own: one that is idle for as long as qemu-img works is closed."""
    took, converted = [], []
    source, target = cloud.folder / "source.qcow2", cloud.folder / "by-hand.qcow2"
    for number in range(VOLUMES + 1):
        words = ["qemu-img", "convert", "-q", "-O", "qcow2", str(source), str(target)]
        converted.append(timed(lambda: subprocess.run(words, check=True)))  # noqa: B023
        target.unlink()
        client = cloud.client()
        body = {"volume": {"size": 1, "imageRef": cloud.image_id, "name": f"real{number}"}}
        began = time.perf_counter()
        path = "/volume/v3/volumes/" + str(client.request("POST", "/volume/v3/volumes", body)["volume"]["id"])
        _wait(client, path, "volume", "available")
        took.append(time.perf_counter() - began)
        client.request("DELETE", path)
        client.close()
    own, tools = median(took[1:]), median(converted[1:])
    rates = {"MB_per_s": mb_per_s(SIZE_MIB, own), "qemu_img_MB_per_s": mb_per_s(SIZE_MIB, tools)}
    return Figure("volume_from_image_ratio", own / tools, None, more=rates)


def _wait(client: Client, path: str, noun: str, status: str) -> None:
    def there() -> bool:
        found = client.request("GET", path)[noun]
        if str(found["status"]).lower() == "error":
            raise RuntimeError(f"{noun} in status error: {found}")
        return bool(found["status"] == status)

    wait_for(f"{noun} {status}", there, timeout_s=120, pause_s=0.005)


def virsh(uri: str, *words: str) -> str:
    done = subprocess.run(["virsh", "-q", "-c", uri, *words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"virsh {' '.join(words)}: {done.stderr}")
    return done.stdout
