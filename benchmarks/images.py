"""Image data in and out, against what the machine's own copy of the same file costs in the same minute."""

from __future__ import annotations

import http.client
import subprocess
from pathlib import Path
from statistics import median

from benchmarks.cloud import BenchCloud
from benchmarks.figures import Figure
from benchmarks.files import MIB, mb_per_s, random_file, timed

SIZE_MIB, ROUNDS = 256, 3


def up_and_down(cloud: BenchCloud) -> list[Figure]:
    """Ratios to `cp` with the data on the disk, and to `cp` as it is; above 1 is slower than the copy."""
    source = cloud.folder / "image.raw"
    random_file(source, SIZE_MIB)
    rounds = [_round(cloud, source) for _ in range(ROUNDS)]
    copied, kept, up, down = (median(each) for each in zip(*rounds, strict=True))
    return [
        Figure(
            "image_upload_ratio", up / kept, None, more={"MB_per_s": _rate(up), "cp_and_sync_MB_per_s": _rate(kept)}
        ),
        Figure(
            "image_download_ratio", down / copied, None, more={"MB_per_s": _rate(down), "cp_MB_per_s": _rate(copied)}
        ),
    ]


def _round(cloud: BenchCloud, source: Path) -> tuple[float, float, float, float]:
    """Seconds of cp, of cp with fsync, of an upload, of a download."""
    target = cloud.folder / "copy.raw"
    copied = timed(lambda: subprocess.run(["cp", str(source), str(target)], check=True))
    kept = timed(
        lambda: subprocess.run(["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync", "status=none"], check=True)
    )
    target.unlink()
    client = cloud.client()
    asked = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
    path = "/image/v2/images/" + client.request("POST", "/image/v2/images", asked)["id"]
    up = timed(lambda: client.put_file(f"{path}/file", source))
    down = timed(lambda: _get(cloud, f"{path}/file", target))
    if target.read_bytes() != source.read_bytes():
        raise RuntimeError("the image that came back is another one")
    target.unlink()
    client.request("DELETE", path)
    client.close()
    return copied, kept, up, down


def _get(cloud: BenchCloud, path: str, target: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=600)
    connection.request("GET", path, headers={"X-Auth-Token": cloud.token()})
    response = connection.getresponse()
    with target.open("wb") as file:
        while data := response.read(MIB):
            file.write(data)
    _check(response, 200)
    connection.close()


def _check(response: http.client.HTTPResponse, wanted: int) -> None:
    if response.status != wanted:
        raise RuntimeError(f"status {response.status}: {response.read()[:500]!r}")


def _rate(seconds: float) -> float:
    return mb_per_s(SIZE_MIB, seconds)
