"""Image headers built byte by byte, for the tests of the inspector."""

from __future__ import annotations

import struct
import uuid

MIB = 1024 * 1024


def qcow2(
    *,
    version: int = 3,
    backing: tuple[int, int] = (0, 0),
    cluster_bits: int = 16,
    size: int = 64 * MIB,
    crypt: int = 0,
    l1: tuple[int, int] | None = None,
    refcount: tuple[int, int] = (0x10000, 1),
    snapshots: int = 0,
    incompatible: int = 0,
    refcount_order: int = 4,
    header_length: int = 104,
    extensions: tuple[tuple[int, bytes], ...] = (),
    length: int = 4 * 0x10000,
) -> bytes:
    l1_size, l1_offset = l1 if l1 is not None else (max(1, -(-size // (512 * MIB))), 0x30000)
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, *backing, cluster_bits, size, crypt, l1_size, l1_offset,
        *refcount, snapshots, 0,
    )  # fmt: skip
    if version >= 3:
        head += struct.pack(">QQQII", incompatible, 0, 0, refcount_order, header_length)
        head = head.ljust(header_length, b"\0")
    for kind, data in extensions:
        head += struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)
    return head.ljust(length, b"\0")


def vmdk_text(
    create_type: str = "monolithicSparse",
    extents: tuple[str, ...] = ('RW 2048 SPARSE "disk.vmdk"',),
    extra: str = "",
    parent: str = "ffffffff",
) -> str:
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID={parent}\ncreateType="{create_type}"\n{extra}\n'
        "# Extent description\n" + "\n".join(extents) + '\n\n# The Disk Data Base\nddb.adapterType = "ide"\n'
    )


def vmdk(
    text: str | None = None,
    *,
    capacity: int = 2048,
    version: int = 1,
    descriptor: tuple[int, int] = (1, 20),
    directory: int = 26,
    footer: bytes | None = None,
    length: int = 64 * 1024,
) -> bytes:
    header = vmdk_header(capacity, version, descriptor, directory)
    body = header + (text if text is not None else vmdk_text()).encode()
    data = body.ljust(length, b"\0")
    return data if footer is None else data + b"\0" * 512 + footer + b"\0" * 512


def vmdk_header(capacity: int, version: int, descriptor: tuple[int, int], directory: int) -> bytes:
    packed = struct.pack("<4sIIQQQQIQQQ", b"KDMV", version, 3, capacity, 128, *descriptor, 512, 21, directory, 128)
    return packed.ljust(512, b"\0")


def vdi(*, kind: int = 1, size: int = 4 * MIB, parent: bytes = b"\0" * 16, blocks: int | None = None) -> bytes:
    count = -(-size // MIB) if blocks is None else blocks
    head = bytearray(1024)
    head[:64] = b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0")
    struct.pack_into("<IIII", head, 0x40, 0xBEDA107F, 0x00010001, 0x190, kind)
    struct.pack_into("<II", head, 0x154, 512, 1024)
    struct.pack_into("<IIQIIII", head, 0x168, 512, 0, size, MIB, 0, count, 0)
    head[0x1A8:0x1B8] = parent
    return bytes(head)


def _checksummed(block: bytearray, at: int) -> bytes:
    struct.pack_into(">I", block, at, 0)
    struct.pack_into(">I", block, at, ~sum(block) & 0xFFFFFFFF)
    return bytes(block)


def vhd_footer(kind: int = 3, size: int = 4 * MIB, geometry: tuple[int, int, int] = (120, 4, 17)) -> bytes:
    footer = bytearray(512)
    struct.pack_into(">8sIIQ", footer, 0, b"conectix", 2, 0x10000, 512 if kind != 2 else 0xFFFFFFFFFFFFFFFF)
    struct.pack_into(">QQHBBI", footer, 40, size, size, *geometry, kind)
    return _checksummed(footer, 64)


def vhd(kind: int = 3, size: int = 4 * MIB, parent: bytes = b"\0" * 16) -> bytes:
    footer = vhd_footer(kind, size)
    if kind == 2:
        return b"\0" * size + footer
    header = bytearray(1024)
    struct.pack_into(
        ">8sQQIII", header, 0, b"cxsparse", 0xFFFFFFFFFFFFFFFF, 1536, 0x10000, max(1, size // (2 * MIB)), 2 * MIB
    )
    header[40:56] = parent
    return footer + _checksummed(header, 36) + b"\xff" * 512 + footer


def vhdx(
    *, size: int = 4 * MIB, flags: int = 0, log: bytes = b"\0" * 16, locator: bool = False, tables_differ: bool = False
) -> bytes:
    data = bytearray(3 * MIB)
    data[:8] = b"vhdxfile"
    for at in (64 * 1024, 128 * 1024):
        data[at : at + 4] = b"head"
        data[at + 48 : at + 64] = log
    for number, at in enumerate((192 * 1024, 256 * 1024)):
        place = 2 * MIB if not (tables_differ and number) else MIB
        struct.pack_into("<4sIII", data, at, b"regi", 0, 1, 0)
        struct.pack_into(
            "<16sQII", data, at + 16, uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le, place, MIB, 1
        )
    items = [("caa16737-fa36-4d43-b3b6-33f0aa44e76b", 65536), ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", 65552)]
    if locator:
        items.append(("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 65600))
    base = 2 * MIB
    struct.pack_into("<8sHH", data, base, b"metadata", 0, len(items))
    for index, (name, offset) in enumerate(items):
        struct.pack_into("<16sII", data, base + 32 + 32 * index, uuid.UUID(name).bytes_le, offset, 8)
    struct.pack_into("<II", data, base + 65536, MIB, flags)
    struct.pack_into("<Q", data, base + 65552, size)
    return bytes(data)


def mbr(length: int = 64 * 1024) -> bytes:
    disk = bytearray(length)
    disk[446:462] = struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 0x83, b"\0\3\0", 2048, 4096)
    disk[510:512] = b"\x55\xaa"
    return bytes(disk)


def gpt(length: int = 64 * 1024) -> bytes:
    disk = bytearray(mbr(length))
    disk[450] = 0xEE
    disk[512:520] = b"EFI PART"
    return bytes(disk)


def iso(length: int = 64 * 1024) -> bytes:
    disk = bytearray(length)
    disk[32768:32775] = b"\x01CD001\x01"
    disk[34816:34823] = b"\xffCD001\x01"
    return bytes(disk)


def overlay(base: bytes, data: bytes, offset: int) -> bytes:
    """`base` with `data` written over it at `offset`, grown where needed."""
    grown = bytearray(base.ljust(offset + len(data), b"\0"))
    grown[offset : offset + len(data)] = data
    return bytes(grown)
