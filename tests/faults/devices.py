"""Cards and disks that the kill tests give servers and take from them, and whether guest and rows say the same after."""

from __future__ import annotations

from common.states import Action
from tests.faults.cloud import FaultCloud

_ATTACHES = (Action.ATTACH_INTERFACE, Action.ATTACH_VOLUME)
_PORTS = (Action.ATTACH_INTERFACE, Action.DETACH_INTERFACE)


def made_for(cloud: FaultCloud, server_id: str, action: Action) -> str:
    """Id of a new port or volume; attached already if the action is to detach it."""
    device_id = _port(cloud) if action in _PORTS else _volume(cloud)
    if action not in _ATTACHES:
        ask(cloud, server_id, _reverse(action), device_id)
        cloud.wait_rest([server_id])
        check(cloud, server_id, _reverse(action), device_id)
    return device_id


def put_away(cloud: FaultCloud, server_id: str, action: Action, device_id: str) -> None:
    """A guest has room for a few only, and what has been attached has to come off again."""
    if action in _ATTACHES:
        ask(cloud, server_id, _reverse(action), device_id)
        cloud.wait_rest([server_id])
        check(cloud, server_id, _reverse(action), device_id)


def ask(cloud: FaultCloud, server_id: str, action: Action, device_id: str) -> None:
    server = f"/compute/v2.1/servers/{server_id}"
    match action:
        case Action.ATTACH_INTERFACE:
            cloud.call("POST", f"{server}/os-interface", {"interfaceAttachment": {"port_id": device_id}})
        case Action.DETACH_INTERFACE:
            cloud.call("DELETE", f"{server}/os-interface/{device_id}")
        case Action.ATTACH_VOLUME:
            cloud.call("POST", f"{server}/os-volume_attachments", {"volumeAttachment": {"volumeId": device_id}})
        case Action.DETACH_VOLUME:
            cloud.call("DELETE", f"{server}/os-volume_attachments/{device_id}")
        case _:
            raise AssertionError(f"{action} is about no device")


def check(cloud: FaultCloud, server_id: str, action: Action, device_id: str) -> None:
    """The device is, or is not, in its rows, in the server's list and in the guest alike."""
    has = action in _ATTACHES
    if action in _PORTS:
        port = cloud.call("GET", f"/network/v2.0/ports/{device_id}")["port"]
        assert (port["device_id"], port["status"]) == ((server_id, "ACTIVE") if has else ("", "DOWN")), port
        listed = cloud.call("GET", f"/compute/v2.1/servers/{server_id}/os-interface")["interfaceAttachments"]
        assert (device_id in {each["port_id"] for each in listed}) == has, listed
        assert (port["mac_address"] in cloud.guest(server_id)["devices"]) == has, cloud.guest(server_id)
        return
    volume = cloud.call("GET", f"/volume/v3/volumes/{device_id}")["volume"]
    assert volume["status"] == ("in-use" if has else "available"), volume
    listed = cloud.call("GET", f"/compute/v2.1/servers/{server_id}/os-volume_attachments")["volumeAttachments"]
    assert (device_id in {each["volumeId"] for each in listed}) == has, listed
    disks = [each for each in cloud.guest(server_id)["devices"] if each.startswith("vd")]
    assert len(disks) == len(listed), f"the guest has {disks}, its server {listed}"


def _reverse(action: Action) -> Action:
    pairs = {
        Action.ATTACH_INTERFACE: Action.DETACH_INTERFACE, Action.DETACH_INTERFACE: Action.ATTACH_INTERFACE,
        Action.ATTACH_VOLUME: Action.DETACH_VOLUME, Action.DETACH_VOLUME: Action.ATTACH_VOLUME,
    }  # fmt: skip
    return pairs[action]


def _port(cloud: FaultCloud) -> str:
    made = cloud.call("POST", "/network/v2.0/ports", {"port": {"network_id": cloud.network_id}})
    return str(made["port"]["id"])


def _volume(cloud: FaultCloud) -> str:
    volume_id = str(cloud.call("POST", "/volume/v3/volumes", {"volume": {"size": 1}})["volume"]["id"])

    def available() -> bool:
        return bool(cloud.call("GET", f"/volume/v3/volumes/{volume_id}")["volume"]["status"] == "available")

    cloud.wait(f"volume {volume_id} is available", available)
    return volume_id
