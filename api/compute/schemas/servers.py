"""Bodies of requests about servers; what a microversion doesn't know is refused by name."""

from __future__ import annotations

from functools import lru_cache

from api.microversion import Microversion
from api.schema import BOOLEAN, HOST, NAME, TEXT, UUID, Schema, integer, obj

MAX_SERVERS_PER_REQUEST = 500
METADATA_KEY = r"^[a-zA-Z0-9_:. -]{1,255}\Z"
METADATA: Schema = {
    "type": "object",
    "patternProperties": {METADATA_KEY: {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
    "maxProperties": 1024,
}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"^[^,/\x00-\x1f]+\Z"}
TAGS: Schema = {"type": "array", "items": TAG, "maxItems": 200}
ADDRESS: Schema = {"type": "string", "maxLength": 64, "pattern": r"^[0-9a-fA-F:.]*\Z"}
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
HOSTNAME: Schema = {"type": "string", "minLength": 2, "maxLength": 63, "pattern": rf"^{_LABEL}\Z"}
FQDN: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": rf"^{_LABEL}(\.{_LABEL})*\Z"}
DISK_CONFIG: Schema = {"enum": ["AUTO", "MANUAL"]}
_ANY_TEXT: Schema = {"type": ["string", "null"], "maxLength": 255}
_HINT: Schema = {
    "anyOf": [
        {"type": ["string", "integer", "number", "boolean", "null"], "maxLength": 1024},
        {"type": "array", "items": {"type": "string", "maxLength": 255}, "maxItems": 100},
    ]
}
_SERVERS: Schema = {"anyOf": [UUID, {"type": "array", "items": UUID, "maxItems": 100}]}
_QUERY: Schema = {
    "type": ["string", "object"], "maxLength": 1024, "maxProperties": 32, "additionalProperties": _HINT,
    "propertyNames": {"type": "string", "maxLength": 255},
}  # fmt: skip
#: what a filter of ours reads is checked; what Nova knows is let through in its form; any other hint is ignored
HINTS: Schema = {
    "type": "object",
    "properties": {
        "group": UUID, "same_host": _SERVERS, "different_host": _SERVERS, "query": _QUERY,
        "build_near_host_ip": {"type": "string", "maxLength": 64, "pattern": r"^[0-9a-fA-F:.]+\Z"},
        "cidr": {"type": "string", "maxLength": 64, "pattern": r"^/[0-9a-f.:]+\Z"},
    },
    "additionalProperties": _HINT, "maxProperties": 32,
    "propertyNames": {"type": "string", "maxLength": 255},
}  # fmt: skip
_DEVICE_INDEX: Schema = {"type": ["integer", "string", "null"], "maxLength": 12, "pattern": r"^-?[0-9]+\Z"}
_NIC: dict[str, Schema] = {
    "uuid": UUID,
    "port": {"anyOf": [UUID, {"type": "null"}]},
    "fixed_ip": {**ADDRESS, "minLength": 1},
}
_DEVICE: dict[str, Schema] = {
    "source_type": {"enum": ["volume", "image", "snapshot", "blank"]},
    "destination_type": {"enum": ["local", "volume"]},
    "uuid": {"type": ["string", "null"], "maxLength": 255},
    "image_id": _ANY_TEXT, "volume_id": _ANY_TEXT, "snapshot_id": _ANY_TEXT, "device_name": _ANY_TEXT,
    "virtual_name": _ANY_TEXT, "guest_format": _ANY_TEXT, "device_type": _ANY_TEXT, "disk_bus": _ANY_TEXT,
    "volume_size": {"type": ["integer", "string", "null"], "maxLength": 12}, "boot_index": _DEVICE_INDEX,
    "delete_on_termination": BOOLEAN, "no_device": {"type": ["boolean", "string", "null"], "maxLength": 8},
    "connection_info": {"type": "string", "maxLength": 65535},
}  # fmt: skip
_FILE = obj(
    {
        "path": {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": r"^[^\x00]*\Z"},
        "contents": {"type": "string", "maxLength": 65535},
    },
    ("path", "contents"),
)


@lru_cache(maxsize=128)
def create(version: Microversion) -> Schema:
    """The body of POST /servers at this microversion; the same object every time, so that validators are kept."""

    def at_least(text: str) -> bool:
        return version >= Microversion.parse(text)

    def between(first: str, last: str) -> bool:
        return at_least(first) and version <= Microversion.parse(last)

    tagged = {"tag": TAG}
    nic = obj({**_NIC, **(tagged if between("2.32", "2.36") or at_least("2.42") else {})})
    nics: Schema = {"type": "array", "items": nic, "maxItems": 64}
    device = {**_DEVICE, **(tagged if version == Microversion(2, 32) or at_least("2.42") else {})}
    if at_least("2.67"):
        device["volume_type"] = _ANY_TEXT
    server: dict[str, Schema] = {
        **_BASE,
        "networks": {"oneOf": [nics, {"enum": ["auto", "none"]}]} if at_least("2.37") else nics,
        "block_device_mapping_v2": {"type": "array", "items": obj(device), "maxItems": 64},
    }
    for since, properties in _ADDED.items():
        if at_least(since):
            server |= properties
    if not at_least("2.57"):
        server["personality"] = {"type": "array", "items": _FILE, "maxItems": 64}
    required = ("name", "flavorRef", "networks") if at_least("2.37") else ("name", "flavorRef")
    return obj(
        {"server": obj(server, required), "os:scheduler_hints": HINTS, "OS-SCH-HNT:scheduler_hints": HINTS}, ("server",)
    )


_BASE: dict[str, Schema] = {
    "name": NAME,
    "imageRef": {"type": "string", "maxLength": 255},
    "flavorRef": {"type": ["string", "integer"], "minLength": 1, "maxLength": 255},
    "adminPass": {"type": "string", "maxLength": 255},
    "metadata": METADATA,
    "OS-DCF:diskConfig": DISK_CONFIG,
    "accessIPv4": ADDRESS,
    "accessIPv6": ADDRESS,
    "availability_zone": NAME,
    "block_device_mapping": {"type": "array", "items": obj(_DEVICE), "maxItems": 64},
    "config_drive": BOOLEAN,
    "key_name": NAME,
    "min_count": integer(1, MAX_SERVERS_PER_REQUEST),
    "max_count": integer(1, MAX_SERVERS_PER_REQUEST),
    "return_reservation_id": BOOLEAN,
    "security_groups": {"type": "array", "items": obj({"name": NAME}), "maxItems": 64},
    "user_data": {"type": ["string", "null"], "maxLength": 65535},
}
_ADDED: dict[str, dict[str, Schema]] = {
    "2.19": {"description": TEXT},
    "2.52": {"tags": TAGS},
    "2.63": {
        "trusted_image_certificates": {
            "type": ["array", "null"],
            "items": {"type": "string", "maxLength": 255},
            "maxItems": 50,
        }
    },
    "2.74": {"host": HOST, "hypervisor_hostname": HOST},
    "2.90": {"hostname": HOSTNAME},
    "2.94": {"hostname": FQDN},
}


@lru_cache(maxsize=128)
def rebuild(version: Microversion) -> Schema:
    """The body of the action rebuild at this microversion."""
    wanted: dict[str, Schema] = {
        "imageRef": UUID, "name": NAME, "adminPass": _BASE["adminPass"], "metadata": METADATA,
        "preserve_ephemeral": BOOLEAN, "OS-DCF:diskConfig": DISK_CONFIG, "accessIPv4": ADDRESS, "accessIPv6": ADDRESS,
    }  # fmt: skip
    if version >= Microversion(2, 19):
        wanted["description"] = TEXT
    if version >= Microversion(2, 54):
        wanted["key_name"] = {"anyOf": [NAME, {"type": "null"}]}
    if version >= Microversion(2, 57):
        wanted["user_data"] = _BASE["user_data"]
    else:
        wanted["personality"] = {"type": "array", "items": _FILE, "maxItems": 64}
    if version >= Microversion(2, 63):
        wanted["trusted_image_certificates"] = {**_ADDED["2.63"]["trusted_image_certificates"], "minItems": 1}
    if version >= Microversion(2, 90):
        wanted["hostname"] = FQDN if version >= Microversion(2, 94) else HOSTNAME
    return obj({"rebuild": obj(wanted, ("imageRef",))}, ("rebuild",))


_UPDATE = {"name": NAME, "OS-DCF:diskConfig": DISK_CONFIG, "accessIPv4": ADDRESS, "accessIPv6": ADDRESS}
UPDATE = obj({"server": obj(_UPDATE)}, ("server",))
_UPDATE_219 = {**_UPDATE, "description": TEXT}
UPDATE_219 = obj({"server": obj(_UPDATE_219)}, ("server",))
UPDATE_290 = obj({"server": obj({**_UPDATE_219, "hostname": HOSTNAME})}, ("server",))
_UPDATE_294 = {**_UPDATE_219, "hostname": FQDN}
UPDATE_294 = obj({"server": obj(_UPDATE_294)}, ("server",))
_ZONE: Schema = {"anyOf": [NAME, {"type": "null"}]}
UPDATE_2104 = obj({"server": obj({**_UPDATE_294, "pinned_availability_zone": _ZONE})}, ("server",))

SET_METADATA = obj({"metadata": METADATA}, ("metadata",))
SET_METADATA_ITEM = obj({"meta": {**METADATA, "minProperties": 1, "maxProperties": 1}}, ("meta",))
SET_TAGS = obj({"tags": TAGS}, ("tags",))

_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"], "maxLength": 255}
#: of actions that are told nothing; clients send null, {}, "" and more, and nobody looks
_NOTHING: Schema = {
    "anyOf": [
        _SCALAR,
        {"type": "array", "items": _SCALAR, "maxItems": 64},
        {"type": "object", "additionalProperties": _SCALAR, "maxProperties": 64,
         "propertyNames": {"type": "string", "maxLength": 255}},
    ]
}  # fmt: skip
START = obj({"os-start": _NOTHING}, ("os-start",))
STOP = obj({"os-stop": _NOTHING}, ("os-stop",))
PAUSE = obj({"pause": _NOTHING}, ("pause",))
UNPAUSE = obj({"unpause": _NOTHING}, ("unpause",))
SUSPEND = obj({"suspend": _NOTHING}, ("suspend",))
RESUME = obj({"resume": _NOTHING}, ("resume",))
CREATE_IMAGE = obj({"createImage": obj({"name": NAME, "metadata": METADATA}, ("name",))}, ("createImage",))
CREATE_BACKUP = obj(
    {"createBackup": obj(
        {"name": NAME, "backup_type": {"type": "string", "maxLength": 255}, "rotation": integer(0), "metadata": METADATA},
        ("name", "backup_type", "rotation"),
    )},
    ("createBackup",),
)  # fmt: skip
SHELVE = obj({"shelve": _NOTHING}, ("shelve",))
SHELVE_OFFLOAD = obj({"shelveOffload": _NOTHING}, ("shelveOffload",))
UNSHELVE = obj({"unshelve": _NOTHING}, ("unshelve",))
UNSHELVE_277 = obj(
    {"unshelve": {
        "type": ["object", "null"], "additionalProperties": False, "properties": {"availability_zone": NAME},
        "required": ["availability_zone"],
    }},
    ("unshelve",),
)  # fmt: skip
UNSHELVE_291 = obj(
    {"unshelve": {
        "type": ["object", "null"], "additionalProperties": False,
        "properties": {"availability_zone": {"anyOf": [NAME, {"type": "null"}]}, "host": HOST},
    }},
    ("unshelve",),
)  # fmt: skip
RESIZE = obj(
    {"resize": obj({"flavorRef": _BASE["flavorRef"], "OS-DCF:diskConfig": DISK_CONFIG}, ("flavorRef",))}, ("resize",)
)
CONFIRM_RESIZE = obj({"confirmResize": _NOTHING}, ("confirmResize",))
REVERT_RESIZE = obj({"revertResize": _NOTHING}, ("revertResize",))
#: a host can be named since 2.56; that none is named may be said in any version
MIGRATE = obj({"migrate": obj({"host": {"type": "null"}}, type=["object", "null"])}, ("migrate",))
MIGRATE_256 = obj(
    {"migrate": {
        "type": ["object", "null"], "additionalProperties": False,
        "properties": {"host": {"anyOf": [HOST, {"type": "null"}]}},
    }},
    ("migrate",),
)  # fmt: skip
RESCUE = obj(
    {"rescue": {
        "type": ["object", "null"], "additionalProperties": False,
        "properties": {"adminPass": _BASE["adminPass"], "rescue_image_ref": UUID},
    }},
    ("rescue",),
)  # fmt: skip
UNRESCUE = obj({"unrescue": _NOTHING}, ("unrescue",))
RESTORE = obj({"restore": _NOTHING}, ("restore",))
CHANGE_PASSWORD = obj(
    {"changePassword": obj({"adminPass": {"type": "string", "minLength": 0, "maxLength": 255}}, ("adminPass",))},
    ("changePassword",),
)
CRASH_DUMP = obj({"trigger_crash_dump": {"type": "null"}}, ("trigger_crash_dump",))
RESET_NETWORK = obj({"resetNetwork": _NOTHING}, ("resetNetwork",))
ADD_FIXED_IP = obj({"addFixedIp": obj({"networkId": UUID}, ("networkId",))}, ("addFixedIp",))
_IP: Schema = {**ADDRESS, "minLength": 1}
REMOVE_FIXED_IP = obj({"removeFixedIp": obj({"address": _IP}, ("address",))}, ("removeFixedIp",))
ADD_FLOATING_IP = obj({"addFloatingIp": obj({"address": _IP, "fixed_address": _IP}, ("address",))}, ("addFloatingIp",))
REMOVE_FLOATING_IP = obj({"removeFloatingIp": obj({"address": _IP}, ("address",))}, ("removeFloatingIp",))
FORCE_DELETE = obj({"forceDelete": _NOTHING}, ("forceDelete",))
REBOOT = obj(
    {"reboot": obj({"type": {"enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}}, ("type",))}, ("reboot",)
)
CONSOLE_LOG = obj(
    {"os-getConsoleOutput": {
        "type": ["object", "null"], "additionalProperties": False,
        "properties": {"length": {"type": ["integer", "string", "null"], "maxLength": 12, "pattern": r"^-?[0-9]+\Z"}},
    }},
    ("os-getConsoleOutput",),
)  # fmt: skip
LOCK = obj({"lock": _NOTHING}, ("lock",))
_LOCK_REASON = {
    "type": ["object", "null"], "additionalProperties": False,
    "properties": {"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}},
}  # fmt: skip
LOCK_273 = obj({"lock": _LOCK_REASON}, ("lock",))
UNLOCK = obj({"unlock": _NOTHING}, ("unlock",))
RESET_STATE = obj({"os-resetState": obj({"state": {"enum": ["active", "error"]}}, ("state",))}, ("os-resetState",))
INJECT_NETWORK = obj({"injectNetworkInfo": _NOTHING}, ("injectNetworkInfo",))
_GROUP: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
ADD_GROUP = obj({"addSecurityGroup": obj({"name": _GROUP}, ("name",))}, ("addSecurityGroup",))
REMOVE_GROUP = obj({"removeSecurityGroup": obj({"name": _GROUP}, ("name",))}, ("removeSecurityGroup",))

CREATE_NEWEST = create(Microversion(2, 104))
