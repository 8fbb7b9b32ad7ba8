"""The inspector against headers built byte by byte (IMG-01 to IMG-05, IMG-11) and against what qemu-img writes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ImageRefused
from common.image_formats.stream import HEAD_BYTES, REGION_BYTES, TAIL_BYTES, Window
from common.image_inspector import FORMATS, RAW_LIKE, InspectedImage, Inspector, inspect_file
from tests.unit import image_headers as make

MIB = 1024 * 1024
LIMIT = 2048 * 1024 * MIB
SAMPLES = {
    "raw": b"\x90" * 65536,
    "mbr": make.mbr(),
    "gpt": make.gpt(),
    "qcow2": make.qcow2(),
    "vmdk": make.vmdk(),
    "vdi": make.vdi(),
    "vhd": make.vhd(),
    "vhd-fixed": make.vhd(2),
    "vhdx": make.vhdx(),
    "iso": make.iso(),
    "luks": b"LUKS\xba\xbe\x00\x02".ljust(65536, b"\0"),
    "qed": b"QED\0".ljust(65536, b"\0"),
    "parallels": b"WithoutFreeSpace".ljust(65536, b"\0"),
    "dmg": b"\0" * 65536 + b"koly".ljust(512, b"\0"),
}
AGREEING = {
    *((name, kind) for name in RAW_LIKE for kind in ("raw", "mbr", "gpt")),
    *((kind, kind) for kind in ("qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso")),
    ("vhd", "vhd-fixed"),
}


def inspect(data: bytes, declared: str, chunk: int = 65536, limit: int = LIMIT) -> InspectedImage:
    inspector = Inspector(max_virtual_bytes=limit)
    for start in range(0, len(data), chunk):
        inspector.feed(data[start : start + chunk])
    return inspector.finish(declared)


def refused(data: bytes, declared: str, limit: int = LIMIT) -> str:
    with pytest.raises(ImageRefused) as caught:
        inspect(data, declared, limit=limit)
    return caught.value.message


@pytest.mark.parametrize("declared", FORMATS)
@pytest.mark.parametrize("real", SAMPLES)
def test_img_04_only_agreeing_pairs_are_taken(declared: str, real: str) -> None:
    if (declared, real) in AGREEING:
        assert inspect(SAMPLES[real], declared).disk_format == declared
    else:
        assert "declared" in refused(SAMPLES[real], declared)


@pytest.mark.parametrize("chunk", [1000, 4096, 131072, 10 * MIB])
@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso"])
def test_chunk_size_does_not_matter(kind: str, chunk: int) -> None:
    assert inspect(SAMPLES[kind], kind, chunk) == inspect(SAMPLES[kind], kind)


def test_sizes_are_told() -> None:
    assert inspect(make.qcow2(size=5 * MIB), "qcow2") == InspectedImage("qcow2", 5 * MIB, 4 * 65536)
    assert inspect(make.vmdk(), "vmdk").virtual_size_bytes == MIB
    assert inspect(make.vdi(size=3 * MIB), "vdi").virtual_size_bytes == 3 * MIB
    assert inspect(make.vhdx(size=9 * MIB), "vhdx").virtual_size_bytes == 9 * MIB
    assert inspect(make.vhd(size=8 * MIB), "vhd").virtual_size_bytes == 8 * MIB
    assert inspect(b"x" * 1000, "raw").virtual_size_bytes == 1000


@pytest.mark.parametrize(
    "reference",
    [b"/etc/shadow", b"../../canary", b'json:{"driver":"file","filename":"/etc/shadow"}', b"nbd://127.0.0.1/x"],
)
@pytest.mark.parametrize("version", [2, 3])
def test_img_01_backing_files_are_refused(reference: bytes, version: int) -> None:
    data = make.overlay(make.qcow2(version=version, backing=(1024, len(reference))), reference, 1024)
    assert "backing file" in refused(data, "qcow2")


def test_img_01_a_backing_format_or_half_a_reference_is_refused() -> None:
    assert "backing" in refused(make.qcow2(extensions=((0xE2792ACA, b"raw"),)), "qcow2")
    assert "backing" in refused(make.qcow2(backing=(0, 12)), "qcow2")
    assert "backing" in refused(make.qcow2(backing=(512, 0)), "qcow2")


@pytest.mark.parametrize("bit", [0, 1, *range(2, 64)])
def test_img_02_no_incompatible_bit_is_taken(bit: int) -> None:
    refused(make.qcow2(incompatible=1 << bit), "qcow2")


@pytest.mark.parametrize(
    ("incompatible", "extensions"),
    [(4, ()), (0, ((0x44415441, b"/etc/shadow"),)), (4, ((0x44415441, b"/etc/shadow"),))],
)
def test_img_02_external_data_files_are_refused(incompatible: int, extensions: tuple[tuple[int, bytes], ...]) -> None:
    assert "data" in refused(make.qcow2(incompatible=incompatible, extensions=extensions), "qcow2")


def test_img_02_a_data_file_behind_harmless_extensions_is_found() -> None:
    extensions = ((0x6803F857, b"\0" * 48 * 7), (0x23852875, b"\0" * 24), (0x44415441, b"/etc/shadow"))
    assert "data file" in refused(make.qcow2(extensions=extensions), "qcow2")
    assert inspect(make.qcow2(extensions=extensions[:2]), "qcow2")


@pytest.mark.parametrize(
    "data",
    [
        make.qcow2(version=1),
        make.qcow2(version=4),
        make.qcow2(crypt=1),
        make.qcow2(crypt=2),
        make.qcow2(cluster_bits=8),
        make.qcow2(cluster_bits=22),
        make.qcow2(cluster_bits=0xFFFFFFFF),
        make.qcow2(header_length=96 + 4),
        make.qcow2(header_length=8192),
        make.qcow2(refcount_order=7),
        make.qcow2(l1=(0, 0x30000)),
        make.qcow2(l1=(1, 0)),
        make.qcow2(l1=(1, 0x30001)),
        make.qcow2(l1=(1, 0x4000000)),
        make.qcow2(l1=(0x500000, 0x30000)),
        make.qcow2(size=1024 * MIB, l1=(1, 0x30000)),
        make.qcow2(refcount=(0, 1)),
        make.qcow2(refcount=(0x10000, 0)),
        make.qcow2(refcount=(0x10000, 1000)),
        make.qcow2(refcount=(0x40000, 1)),
        make.qcow2(snapshots=1),
        make.qcow2(extensions=((0x11111111, b"x"),)),
        make.qcow2(extensions=((0x0537BE77, b"\0" * 16),)),
        make.qcow2(extensions=((0x6803F857, b""), (0x6803F857, b"\0" * 70000))),
        make.qcow2()[:60],
        make.qcow2(length=110)[:110],
        make.qcow2(size=0),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_insane_qcow2_headers_are_refused(data: bytes) -> None:
    refused(data, "qcow2")


@pytest.mark.parametrize(
    "create_type",
    [
        "monolithicFlat",
        "twoGbMaxExtentFlat",
        "twoGbMaxExtentSparse",
        "custom",
        "vmfs",
        "vmfsSparse",
        "fullDevice",
        "x",
        "",
    ],
)
def test_img_03_other_vmdk_types_are_refused(create_type: str) -> None:
    flat = ('RW 2048 FLAT "/etc/shadow" 0',)
    assert "declare" in refused(make.vmdk(make.vmdk_text(create_type)), "vmdk")
    refused(make.vmdk(make.vmdk_text(create_type, flat)), "vmdk")
    refused(make.vmdk_text(create_type, flat).encode(), "vmdk")
    refused(make.vmdk_text(create_type, flat).encode(), "raw")


@pytest.mark.parametrize(
    "text",
    [
        make.vmdk_text(extents=('RW 2048 SPARSE "/etc/shadow"',)),
        make.vmdk_text(extents=('RW 2048 SPARSE "../canary"',)),
        make.vmdk_text(extents=('RW 2048 SPARSE "a..b"',)),
        make.vmdk_text(extents=('RW 2048 SPARSE "nbd:127.0.0.1"',)),
        make.vmdk_text(extents=('RW 2048 FLAT "disk.vmdk" 0',)),
        make.vmdk_text(extents=('RW 2048 SPARSE "a.vmdk"', 'RW 2048 SPARSE "b.vmdk"')),
        make.vmdk_text(extents=('RW 2048 SPARSE "a.vmdk"', 'rw 2048 flat "/etc/shadow"')),
        make.vmdk_text(extents=()),
        make.vmdk_text(extents=('RW 4096 SPARSE "disk.vmdk"',)),
        make.vmdk_text(extra='createType="monolithicFlat"'),
        make.vmdk_text(extra='parentFileNameHint="/etc/shadow"'),
        make.vmdk_text(extra='PARENTfilenamehint="/etc/shadow"'),
        make.vmdk_text(parent="12345678"),
        make.vmdk_text(extra="\x07"),
        make.vmdk_text(extra="é"),
        make.vmdk_text() + "\0" + 'parentFileNameHint="/etc/shadow"',
        make.vmdk_text() + "\0" + 'RW 2048 FLAT "/etc/shadow"',
        "",
    ],
)
def test_img_03_vmdk_descriptors_that_name_other_files_are_refused(text: str) -> None:
    refused(make.vmdk(text), "vmdk")


def test_img_03_vmdk_headers() -> None:
    refused(make.vmdk(capacity=0), "vmdk")  # QEMU then believes the descriptor alone
    refused(make.vmdk(version=4), "vmdk")
    refused(make.vmdk(descriptor=(0, 20)), "vmdk")
    refused(make.vmdk(descriptor=(1, 100_000)), "vmdk")
    refused(make.vmdk(descriptor=(100_000, 20)), "vmdk")
    hint = make.overlay(make.vmdk(descriptor=(1, 1)), b"parentFileNameHint", 512 + 600)
    assert "parent" in refused(hint, "vmdk")  # behind the declared descriptor, where QEMU still looks
    at_end = 0xFFFFFFFFFFFFFFFF
    text = make.vmdk_text("streamOptimized")
    footer = make.vmdk_header(2048, 1, (1, 20), 26)
    assert inspect(make.vmdk(text, directory=at_end, footer=footer), "vmdk").virtual_size_bytes == MIB
    refused(make.vmdk(text, directory=at_end), "vmdk")
    refused(make.vmdk(text, directory=at_end, footer=make.vmdk_header(2048, 1, (64, 20), 26)), "vmdk")
    refused(make.vmdk(text, directory=at_end, footer=make.vmdk_header(0, 1, (1, 20), 26)), "vmdk")


def test_children_of_other_disks_are_refused() -> None:
    assert "child" in refused(make.vdi(kind=4), "vdi")
    assert "child" in refused(make.vdi(parent=b"\1" * 16), "vdi")
    assert "type 4" in refused(make.vhd(4), "vhd")
    assert "parent" in refused(make.vhd(parent=b"\1" * 16), "vhd")
    assert "child" in refused(make.vhdx(flags=2), "vhdx")
    assert "child" in refused(make.vhdx(locator=True), "vhdx")


def test_damaged_headers_are_refused() -> None:
    assert "log" in refused(make.vhdx(log=b"\1" * 16), "vhdx")
    assert "differ" in refused(make.vhdx(tables_differ=True), "vhdx")
    refused(make.vhdx()[: 2 * MIB + 100], "vhdx")
    refused(make.vhdx()[: 300 * 1024], "vhdx")
    refused(make.vdi(blocks=1), "vdi")
    refused(make.overlay(make.vhd(), b"\xff", 100), "vhd")  # checksum
    refused(make.vhd()[:-512] + make.vhd_footer(size=8 * MIB), "vhd")  # head and footer differ
    refused(make.vhd()[:-512], "vhd")
    refused(b"", "qcow2")
    assert inspect(b"", "raw").virtual_size_bytes == 0  # of a server that boots from volumes


def test_packed_images_get_a_plain_answer() -> None:
    assert "gzip" in refused(b"\x1f\x8b\x08" + b"\0" * 1000, "raw")
    assert inspect(b"\x1f\x8b\x08" + b"\0" * 1000, "ari").disk_format == "ari"


def test_a_vmdk_descriptor_is_found_behind_comments_and_blank_lines() -> None:
    for lead in (b"# x\n# y\n", b"   \r\n", b"\n\n#\r\n"):
        refused(lead + b'version=1\nRW 1 FLAT "/etc/shadow"\n', "raw")


POLYGLOTS = {
    "iso+qcow2": make.overlay(make.qcow2(), make.iso()[32768:34830], 32768),
    "gpt+vmdk": make.overlay(make.vmdk(descriptor=(8, 20), length=128 * 1024), b"EFI PART", 512),
    "mbr+qcow2": make.overlay(make.qcow2(), make.mbr()[446:512], 446),
    "qcow2+vhd": make.qcow2() + make.vhd_footer(2, 4 * 65536),
    "vdi+qcow2": make.overlay(make.qcow2(), b"\x7f\x10\xda\xbe", 64),
    "iso+vhd": make.iso() + make.vhd_footer(2, 65536),
    "iso+dmg": make.iso() + b"koly".ljust(512, b"\0"),
    "iso+vmdk text": make.overlay(make.iso(), make.vmdk_text().encode(), 0),
    "iso+luks2": make.overlay(make.iso(), b"SKUL\xba\xbe", 0x4000),
    "vhdx+iso": make.overlay(make.vhdx(), make.iso()[32768:34830], 32768),
}


@pytest.mark.parametrize("declared", FORMATS)
@pytest.mark.parametrize("name", POLYGLOTS)
def test_img_05_polyglots_are_refused_under_every_name(name: str, declared: str) -> None:
    refused(POLYGLOTS[name], declared)


def test_hybrid_iso_and_partitioned_fixed_vhd_are_taken() -> None:
    hybrid = make.overlay(make.iso(), make.gpt()[:520], 0)
    assert inspect(hybrid, "iso").disk_format == "iso"
    refused(hybrid, "raw")
    partitioned = make.overlay(make.vhd(2), make.mbr()[:512], 0)
    assert inspect(partitioned, "vhd").disk_format == "vhd"
    refused(partitioned, "raw")


MAGICS = [
    (0, b"QFI\xfb"), (0, b"KDMV"), (0, b"COWD"), (64, b"\x7f\x10\xda\xbe"), (0, b"conectix"),
    (0, b"vhdxfile"), (0, b"LUKS\xba\xbe"), (0, b"QED\0"), (32769, b"CD001"), (0x4000, b"SKUL\xba\xbe"),
    (0, b"# Disk DescriptorFile\nversion=1\n"),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    prefix=st.binary(max_size=600),
    tail=st.binary(max_size=600),
    planted=st.lists(st.sampled_from(MAGICS), max_size=3),
    declared=st.sampled_from(FORMATS),
)
def test_img_05_whatever_is_taken_is_one_thing(
    prefix: bytes, tail: bytes, planted: list[tuple[int, bytes]], declared: str
) -> None:
    data = prefix.ljust(40000, b"\0") + tail
    for offset, magic in planted:
        data = make.overlay(data, magic, offset)
    try:
        found = inspect(data, declared)
    except ImageRefused:
        return
    others = [name for name in FORMATS if name not in RAW_LIKE and name != declared]
    for other in others:
        with pytest.raises(ImageRefused):
            inspect(data, other)
    assert found.size_bytes == len(data)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso"]),
    changes=st.dictionaries(st.integers(0, 4096), st.integers(0, 255), max_size=8),
    cut=st.integers(0, 70000),
)
def test_damage_is_refused_or_taken_but_never_a_crash(kind: str, changes: dict[int, int], cut: int) -> None:
    data = bytearray(SAMPLES[kind][: max(1, len(SAMPLES[kind]) - cut)])
    for place, value in changes.items():
        if place < len(data):
            data[place] = value
    for declared in (kind, "raw"):
        with contextlib.suppress(ImageRefused):
            assert inspect(bytes(data), declared).size_bytes == len(data)


def test_img_11_the_virtual_size_is_bounded() -> None:
    for size in (LIMIT - 1, LIMIT):
        assert inspect(make.qcow2(size=size), "qcow2").virtual_size_bytes == size
    assert str(LIMIT) in refused(make.qcow2(size=LIMIT + 1), "qcow2")
    refused(make.qcow2(size=2**63, l1=(4_000_000, 0x30000)), "qcow2")
    refused(make.vhdx(size=2**63), "vhdx")
    refused(b"x" * 2000, "raw", limit=1999)


def test_memory_is_bounded() -> None:
    window = Window()
    for _ in range(64):
        window.feed(b"\0" * MIB)
    kept = len(window.head) + len(window.tail) + (len(window.region.data) if window.region else 0)
    assert kept <= HEAD_BYTES + TAIL_BYTES + REGION_BYTES
    assert window.size == 64 * MIB


def test_unknown_formats_are_refused() -> None:
    assert "known are" in refused(b"x", "ploop")


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
@pytest.mark.parametrize(
    ("declared", "arguments"),
    [
        ("qcow2", ["-f", "qcow2"]),
        ("qcow2", ["-f", "qcow2", "-o", "compat=0.10"]),
        ("qcow2", ["-f", "qcow2", "-o", "cluster_size=2M"]),
        ("vmdk", ["-f", "vmdk"]),
        ("vmdk", ["-f", "vmdk", "-o", "subformat=streamOptimized"]),
        ("vdi", ["-f", "vdi"]),
        ("vdi", ["-f", "vdi", "-o", "static=on"]),
        ("vhd", ["-f", "vpc", "-o", "force_size=on"]),
        ("vhd", ["-f", "vpc", "-o", "subformat=fixed,force_size=on"]),
        ("vhdx", ["-f", "vhdx"]),
        ("raw", ["-f", "raw"]),
    ],
)
def test_what_qemu_img_writes_is_taken(tmp_path: Path, declared: str, arguments: list[str]) -> None:
    path = tmp_path / "image"
    subprocess.run(["qemu-img", "create", "-q", *arguments, str(path), "8M"], check=True, timeout=60)
    found = inspect_file(path, declared, max_virtual_bytes=LIMIT)
    assert (found.disk_format, found.virtual_size_bytes) == (declared, 8 * MIB)
