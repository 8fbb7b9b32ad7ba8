"""Appliances built byte by byte: archives with any kind of member, and the descriptions that VirtualBox and VMware write."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence

VMWARE = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope vmw:buildId="build-1" xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References><File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="1"{file}/></References>
  <DiskSection><Info>Disks</Info><Disk ovf:capacity="1" ovf:diskId="vmdisk1" ovf:fileRef="file1"{disk}/></DiskSection>
  <VirtualSystem ovf:id="vm"><Name>the vm</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian10_64Guest"><Info>x</Info></OperatingSystemSection>
    <VirtualHardwareSection>
      <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>
      <Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>{controller}</rasd:ResourceSubType>
        <rasd:ResourceType>{kind}</rasd:ResourceType></Item>
      <Item><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceSubType>{nic}</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType></Item>
      {more}
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
EFI = '<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>'
VIRTUALBOX = """<?xml version="1.0"?>
<Envelope ovf:version="2.0" xmlns="http://schemas.dmtf.org/ovf/envelope/2" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/2"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:sasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_StorageAllocationSettingData.xsd"
  xmlns:epasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_EthernetPortAllocationSettingData.xsd"
  xmlns:vbox="http://www.virtualbox.org/ovf/machine">
  <References><File ovf:id="file1" ovf:href="disk.vmdk"/></References>
  <DiskSection><Disk ovf:capacity="1" ovf:diskId="vmdisk1" ovf:fileRef="file1"/></DiskSection>
  <VirtualSystem ovf:id="box">
    <OperatingSystemSection ovf:id="1"><Description>Windows10_64</Description></OperatingSystemSection>
    <VirtualHardwareSection>
      <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>2048</rasd:VirtualQuantity></Item>
      <Item><rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceSubType>AHCI</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType></Item>
      <StorageItem><sasd:HostResource>/disk/vmdisk1</sasd:HostResource><sasd:InstanceID>8</sasd:InstanceID>
        <sasd:Parent>5</sasd:Parent><sasd:ResourceType>17</sasd:ResourceType></StorageItem>
      <EthernetPortItem><epasd:InstanceID>9</epasd:InstanceID><epasd:ResourceSubType>E1000</epasd:ResourceSubType>
        <epasd:ResourceType>10</epasd:ResourceType></EthernetPortItem>
    </VirtualHardwareSection>
    <vbox:Machine name="box"><Hardware><Firmware type="EFI"/></Hardware></vbox:Machine>
  </VirtualSystem>
</Envelope>
"""


def vmware(
    *,
    controller: str = "lsilogic",
    kind: str = "6",
    nic: str = "VmxNet3",
    more: str = "",
    file: str = "",
    disk: str = "",
) -> str:
    return VMWARE.format(controller=controller, kind=kind, nic=nic, more=more, file=file, disk=disk)


def pack(members: Sequence[tuple[str | tarfile.TarInfo, bytes]], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar archive; a member is a name, or a TarInfo of any kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for what, data in members:
            info = tarfile.TarInfo(what) if isinstance(what, str) else what
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def ova(disk: bytes, text: str | None = None, *, manifest: bool = True, name: str = "disk.vmdk") -> bytes:
    described = (text if text is not None else vmware()).encode()
    members: list[tuple[str | tarfile.TarInfo, bytes]] = [("vm.ovf", described)]
    if manifest:
        lines = [
            f"SHA256({of})= {hashlib.sha256(data).hexdigest()}" for of, data in (("vm.ovf", described), (name, disk))
        ]
        members.append(("vm.mf", "\n".join(lines).encode()))
    return pack([*members, (name, disk)])
