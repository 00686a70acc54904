//! Switch: one device of the fabric.
//!
//! Invariant: port names are kept as they are written; what they mean is up to the profile.

use std::collections::BTreeMap;

use super::shape::{shape, words};

words! {
    /// What a switch is in the fabric.
    enum SwitchRole {
        /// Between leaves.
        Spine = "spine",
        /// With servers.
        ServerLeaf = "server-leaf",
        /// With externals.
        BorderLeaf = "border-leaf",
        /// With both.
        MixedLeaf = "mixed-leaf",
        /// A leftover without support.
        VirtualEdge = "virtual-edge",
    }

    /// How switches of a group stand in for each other.
    enum RedundancyType {
        /// Dead.
        Mclag = "mclag",
        /// EVPN multi-homing.
        Eslag = "eslag",
    }

    /// Forward error correction of a port.
    enum PortFec {
        /// Reed-Solomon.
        Rs = "rs",
        /// Fire code.
        Fc = "fc",
        /// As the device sees fit.
        Auto = "auto",
        /// None.
        Disabled = "disabled",
    }
}

impl SwitchRole {
    /// Whether it is one of the leaf roles, which all behave the same.
    pub const fn is_leaf(&self) -> bool {
        matches!(self, Self::ServerLeaf | Self::BorderLeaf | Self::MixedLeaf)
    }
}

shape! {
    /// What a switch should be.
    SwitchSpec {
        /// What it is in the fabric.
        role: SwitchRole => "role",
        /// For people.
        description: String = "description",
        /// Name of the switch profile: the model.
        profile: String = "profile",
        /// Names of the groups it belongs to.
        groups: Vec<String> = "groups",
        /// The group it is redundant in.
        redundancy: Option<SwitchRedundancy> = "redundancy",
        /// Names of the VLAN namespaces it serves.
        vlan_namespaces: Vec<String> = "vlanNamespaces",
        /// ASN.
        asn: u32 = "asn",
        /// Management address, CIDR with the length of the management network.
        ip: String = "ip",
        /// VTEP address, CIDR; leaves only.
        vtep_ip: String = "vtepIP",
        /// Router id, CIDR.
        protocol_ip: String = "protocolIP",
        /// Speed by port group, for example `"1": 10G`.
        port_group_speeds: BTreeMap<String, String> = "portGroupSpeeds",
        /// Speed by port.
        port_speeds: BTreeMap<String, String> = "portSpeeds",
        /// Breakout mode by port, for example `E1/55: 4x25G`.
        port_breakouts: BTreeMap<String, String> = "portBreakouts",
        /// Auto-negotiation by port.
        port_auto_negs: BTreeMap<String, bool> = "portAutoNegs",
        /// Forward error correction by port; an entry that is removed does not reset the device.
        port_fecs: BTreeMap<String, PortFec> = "portFECs",
        /// How the device is recognised when it boots.
        boot: Option<SwitchBoot> = "boot",
        /// Whether unused ports are brought up too.
        enable_all_ports: bool = "enableAllPorts",
        /// Whether `RoCE` is on; changing it reboots the switch.
        roce: bool = "roce",
        /// Settings of equal-cost paths.
        ecmp: Option<SwitchEcmp> = "ecmp",
        /// Disables ports whose link flaps; absent means never.
        link_flap_err_disable: Option<LinkFlapErrDisable> = "linkFlapErrDisable",
    }

    /// The group a switch is redundant in.
    SwitchRedundancy {
        /// Name of the switch group.
        group: String = "group",
        /// How.
        kind: RedundancyType = "type",
    }

    /// How a device is recognised when it boots.
    SwitchBoot {
        /// Serial number.
        serial: String = "serial",
        /// MAC address.
        mac: String = "mac",
    }

    /// Settings of equal-cost paths.
    SwitchEcmp {
        /// Whether the queue pair of `RoCE` takes part in the choice of a path.
        roce_qpn: bool = "roceQPN",
    }

    /// When a flapping port is disabled.
    LinkFlapErrDisable {
        /// How many times the link goes down within the interval.
        #[schemars(extend("x-minimum" = 1, "x-maximum" = 50, "x-default" = 3))]
        flap_threshold: Option<u8> = "flapThreshold",
        /// The interval, seconds.
        #[schemars(extend("x-minimum" = 1, "x-maximum" = 65_535, "x-default" = 30))]
        sampling_interval: Option<u32> = "samplingInterval",
        /// Seconds until the port is enabled again; 0 means never.
        #[schemars(extend("x-minimum" = 0, "x-maximum" = 65_534, "x-default" = 300))]
        recovery_interval: Option<u32> = "recoveryInterval",
    }
}
