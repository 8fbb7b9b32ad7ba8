"""Appliances: the archive that VirtualBox, VMware and others export a machine to, its description and its disk."""
