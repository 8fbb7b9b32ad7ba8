"""qcow2: only images that stand alone. The header is big-endian; QEMU's docs/interop/qcow2.txt describes it."""

from __future__ import annotations

from common.errors import ImageRefused
from common.image_formats.stream import Window, unpack

_FLATTEN = "flatten it with `qemu-img convert -O qcow2 OLD NEW` and upload the result"
_DIRTY, _CORRUPT, _DATA_FILE = 1, 2, 4
_EXTENSION_END = 0
_EXTENSION_DATA_FILE = 0x44415441
_EXTENSION_BACKING_FORMAT = 0xE2792ACA
_EXTENSION_ENCRYPTION = 0x0537BE77
_HARMLESS_EXTENSIONS = (0x6803F857, 0x23852875)  # names of feature bits; dirty bitmaps
_MAX_L1_BYTES = 32 * 1024 * 1024  # QEMU's own bounds
_MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024


def inspect(window: Window) -> int:
    """The virtual size in bytes. Raises ImageRefused for whatever is not a self-contained, sane qcow2 v2 or v3."""
    head = bytes(window.head)
    (version, backing_offset, backing_length, cluster_bits, virtual_size, encryption) = unpack(
        ">IQIIQI", head, 4, "qcow2 header"
    )
    if version not in (2, 3):
        raise ImageRefused(f"the image is qcow version {version}; only 2 and 3 are taken: {_FLATTEN}")
    if backing_offset or backing_length:
        raise ImageRefused(f"the qcow2 image names a backing file, which images must not: {_FLATTEN}")
    if encryption:
        raise ImageRefused(f"the qcow2 image is encrypted; upload it decrypted: {_FLATTEN}")
    if not 9 <= cluster_bits <= 21:
        raise ImageRefused(f"the qcow2 header declares clusters of 2^{cluster_bits} bytes, outside 2^9 to 2^21")
    header_length = 72 if version == 2 else _version_3_header_length(head, 1 << cluster_bits)
    _check_extensions(head, header_length, 1 << cluster_bits)
    _check_tables(window, cluster_bits, virtual_size)
    return virtual_size


def _version_3_header_length(head: bytes, cluster_bytes: int) -> int:
    (incompatible, _compatible, _autoclear, refcount_order, header_length) = unpack(">QQQII", head, 72, "qcow2 header")
    if incompatible & _DATA_FILE:
        raise ImageRefused(f"the qcow2 image keeps its data in another file, which images must not: {_FLATTEN}")
    if incompatible & (_DIRTY | _CORRUPT):
        raise ImageRefused(f"the qcow2 image is marked dirty or corrupt: run `qemu-img check -r all`, then {_FLATTEN}")
    if incompatible:
        raise ImageRefused(f"the qcow2 image needs features that are not taken (bits {incompatible:#x}): {_FLATTEN}")
    if refcount_order > 6:
        raise ImageRefused(f"the qcow2 header declares refcounts of 2^{refcount_order} bits, more than 64")
    if header_length < 104 or header_length % 8 or header_length > min(cluster_bytes, 4096):
        raise ImageRefused(f"the qcow2 header declares a length of {header_length} bytes, which can't be")
    return header_length


def _check_extensions(head: bytes, offset: int, cluster_bytes: int) -> None:
    """Walk the extensions as QEMU does: up to an end mark or the end of the first cluster."""
    while offset < cluster_bytes:
        (kind, length) = unpack(">II", head, offset, "qcow2 header extensions")
        if kind == _EXTENSION_END:
            return
        if kind == _EXTENSION_DATA_FILE:
            raise ImageRefused(f"the qcow2 image names an external data file, which images must not: {_FLATTEN}")
        if kind == _EXTENSION_BACKING_FORMAT:
            raise ImageRefused(f"the qcow2 image names the format of a backing file, which images must not: {_FLATTEN}")
        if kind == _EXTENSION_ENCRYPTION:
            raise ImageRefused(f"the qcow2 image is encrypted; upload it decrypted: {_FLATTEN}")
        if kind not in _HARMLESS_EXTENSIONS:
            raise ImageRefused(f"the qcow2 image has an unknown header extension {kind:#010x}: {_FLATTEN}")
        offset += 8 + (length + 7) // 8 * 8
        if offset > cluster_bytes:
            raise ImageRefused("the qcow2 header extensions run past the first cluster; the image is damaged")


def _check_tables(window: Window, cluster_bits: int, virtual_size: int) -> None:
    (l1_entries, l1_offset, refcount_offset, refcount_clusters, snapshots) = unpack(
        ">IQQII", bytes(window.head), 36, "qcow2 header"
    )
    cluster_bytes = 1 << cluster_bits
    per_l1_entry = cluster_bytes * (cluster_bytes // 8)
    if snapshots:
        raise ImageRefused(f"the qcow2 image holds {snapshots} internal snapshots, which images must not: {_FLATTEN}")
    if l1_entries * 8 > _MAX_L1_BYTES or l1_entries < -(-virtual_size // per_l1_entry):
        raise ImageRefused(
            f"the qcow2 header declares {l1_entries} L1 entries for a disk of {virtual_size} bytes, which can't be"
        )
    if l1_offset % cluster_bytes or (l1_entries and not l1_offset) or l1_offset + l1_entries * 8 > window.size:
        raise ImageRefused("the qcow2 L1 table lies outside the file; the image is cut off or damaged")
    if not 0 < refcount_clusters * cluster_bytes <= _MAX_REFCOUNT_TABLE_BYTES:
        raise ImageRefused(
            f"the qcow2 header declares a refcount table of {refcount_clusters} clusters, which can't be"
        )
    end = refcount_offset + refcount_clusters * cluster_bytes
    if not refcount_offset or refcount_offset % cluster_bytes or end > window.size:
        raise ImageRefused("the qcow2 refcount table lies outside the file; the image is cut off or damaged")
