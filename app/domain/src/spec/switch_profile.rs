//! Switch profile: ports, speeds and features of a model.
//!
//! Invariant: a feature that a profile does not mention is told apart from one that it denies.

use std::collections::BTreeMap;

use super::shape::shape;

shape! {
    /// What a model of switch is.
    SwitchProfileSpec {
        /// Name of the model for people.
        display_name: String = "displayName",
        /// Further names of the model.
        other_names: Vec<String> = "otherNames",
        /// What it can do.
        features: Option<SwitchFeatures> = "features",
        /// Limits that differ from the fabric's.
        config: Option<SwitchProfileConfig> = "config",
        /// Ports by name.
        ports: BTreeMap<String, ProfilePort> = "ports",
        /// Groups of ports that share a speed, by name.
        port_groups: BTreeMap<String, ProfilePortGroup> = "portGroups",
        /// Kinds of ports, by name.
        port_profiles: BTreeMap<String, PortProfile> = "portProfiles",
        /// Network operating system.
        nos_type: String = "nosType",
        /// Platform as the operating system calls it.
        platform: String = "platform",
        /// Chip.
        switch_silicon: String = "switchSilicon",
        /// For people.
        notes: String = "notes",
        /// Most ports after breakouts; 0 means no limit.
        max_ports: u16 = "maxPorts",
        /// Pipelines by name.
        pipelines: BTreeMap<String, ProfilePipeline> = "pipelines",
    }

    /// What a model can do.
    SwitchFeatures {
        /// Subinterfaces.
        subinterfaces: Option<bool> = "subinterfaces",
        /// Access lists.
        acls: Option<bool> = "acls",
        /// VPCs of layer 2.
        l2vni: Option<bool> = "l2vni",
        /// VPCs of layer 3.
        l3vni: Option<bool> = "l3vni",
        /// `RoCE`.
        roce: Option<bool> = "roce",
        /// MCLAG.
        mclag: Option<bool> = "mclag",
        /// ESLAG.
        eslag: Option<bool> = "eslag",
        /// Paths by the queue pair of `RoCE`.
        ecmp_roce_qpn: Option<bool> = "ecmpRoCEQPN",
    }

    /// Limits of a model.
    SwitchProfileConfig {
        /// Most paths of one eBGP route.
        max_paths_ebgp: u32 = "maxPathsEBGP",
    }

    /// A port of a model.
    ProfilePort {
        /// Name on the operating system.
        nos: String = "nos",
        /// Base of the names of its lanes on the operating system.
        base_nos_name: String = "baseNOSName",
        /// Label on the device.
        label: String = "label",
        /// Group it belongs to; without a profile.
        group: String = "group",
        /// Profile it belongs to; without a group.
        profile: String = "profile",
        /// Whether it is a management port.
        management: Option<bool> = "management",
        /// Name in the installer.
        onie_port_name: String = "oniePortName",
        /// Pipeline it belongs to.
        pipeline: String = "pipeline",
    }

    /// Ports that share a speed.
    ProfilePortGroup {
        /// Name on the operating system.
        nos: String = "nos",
        /// Profile of the group.
        profile: String = "profile",
    }

    /// A kind of port.
    PortProfile {
        /// Speeds, for ports without breakouts.
        speed: Option<PortProfileSpeed> = "speed",
        /// Breakouts, for ports without speeds.
        breakout: Option<PortProfileBreakout> = "breakout",
        /// Whether auto-negotiation may be set.
        auto_neg_allowed: Option<bool> = "autoNegAllowed",
        /// Whether auto-negotiation is on by default.
        auto_neg_default: Option<bool> = "autoNegDefault",
    }

    /// Speeds of a port.
    PortProfileSpeed {
        /// Where nothing is set.
        default: String = "default",
        /// All of them.
        supported: Vec<String> = "supported",
    }

    /// Breakouts of a port.
    PortProfileBreakout {
        /// Where nothing is set.
        default: String = "default",
        /// All of them, by mode, for example `4x25G`.
        supported: BTreeMap<String, PortProfileBreakoutMode> = "supported",
    }

    /// A breakout mode.
    PortProfileBreakoutMode {
        /// What is added to the base name for each lane.
        offsets: Vec<String> = "offsets",
    }

    /// A pipeline of a model.
    ProfilePipeline {
        /// Most ports of the pipeline after breakouts.
        max_ports: u16 = "maxPorts",
    }
}
