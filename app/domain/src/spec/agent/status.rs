//! What a switch says of itself: generations, identity, ports and neighbours.
//!
//! Invariant: a figure that the switch does not report is absent, never zero.

use std::collections::BTreeMap;

use serde_json::Number;

use super::{
    AgentStatusUpdate,
    health::{CriticalResources, Platform, Transceiver},
};
use crate::spec::shape::{shape, words};

/// RFC 1123 subdomain and a name, as the schema has it.
const CONDITION_TYPE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
/// A word in camel case, as the schema has it.
const CONDITION_REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

words! {
    /// Whether a condition holds.
    enum ConditionStatus {
        /// It does.
        True = "True",
        /// It does not.
        False = "False",
        /// Nobody knows; a word of the set, unlike [`ConditionStatus::Unknown`].
        Undecided = "Unknown",
    }

    /// What a port should do.
    string AdminState {
        /// Carry traffic.
        Up = "up",
        /// Nothing.
        Down = "down",
        /// Test.
        Testing = "testing",
    }

    /// What a port does.
    string OperState {
        /// Carry traffic.
        Up = "up",
        /// Nothing.
        Down = "down",
        /// Test.
        Testing = "testing",
        /// Nobody knows; a word of the set.
        Unclear = "unknown",
        /// Wait.
        Dormant = "dormant",
        /// It is not there.
        NotPresent = "notPresent",
        /// What it stands on is down.
        LowerLayerDown = "lowerLayerDown",
    }

    /// State of a BGP session.
    string BgpState {
        /// Not started.
        Idle = "idle",
        /// Connecting.
        Connect = "connect",
        /// Trying again.
        Active = "active",
        /// Said hello.
        OpenSent = "openSent",
        /// Heard hello.
        OpenConfirm = "openConfirm",
        /// Exchanging routes.
        Established = "established",
    }

    /// State of a BFD session.
    string BfdState {
        /// Both sides hear each other.
        Up = "up",
        /// They do not.
        Down = "down",
        /// Switched off.
        AdminDown = "adminDown",
        /// One side hears the other.
        Init = "init",
    }
}

shape! {
    /// What a switch says of itself.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    AgentStatus {
        /// Version of the agent that runs.
        version: Option<String> = "version",
        /// Changes when the operating system is installed.
        install_id: Option<String> = "installID",
        /// Changes when the switch boots.
        boot_id: Option<String> = "bootID",
        /// Changes when the agent starts.
        run_id: Option<String> = "runID",
        /// Last sign of life, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_heartbeat: Option<String> = "lastHeartbeat",
        /// When the last apply began, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_attempt_time: Option<String> = "lastAttemptTime",
        /// Generation of the last apply that began.
        last_attempt_gen: Option<i64> = "lastAttemptGen",
        /// When the last apply succeeded, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_applied_time: Option<String> = "lastAppliedTime",
        /// Generation of the last apply that succeeded.
        last_applied_gen: Option<i64> = "lastAppliedGen",
        /// Whether it wants a reboot.
        reboot_required: Option<bool> = "rebootRequired",
        /// What it says of its work.
        #[schemars(extend("x-required" = true))]
        conditions: Option<Vec<Condition>> = "conditions",
        /// Objects whose status it reported.
        status_updates: Option<Vec<AgentStatusUpdate>> = "statusUpdates",
        /// What it sees.
        state: Option<AgentState> = "state",
    }

    /// A condition, as all of Kubernetes has them.
    Condition {
        /// What it is about.
        #[schemars(extend("maxLength" = 316, "pattern" = CONDITION_TYPE))]
        kind: String => "type",
        /// Whether it holds.
        status: ConditionStatus => "status",
        /// Generation that it is about.
        #[schemars(extend("x-minimum" = 0))]
        observed_generation: Option<i64> = "observedGeneration",
        /// When it last changed, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_transition_time: String => "lastTransitionTime",
        /// Why, for programs.
        #[schemars(extend("minLength" = 1, "maxLength" = 1024, "pattern" = CONDITION_REASON))]
        reason: String => "reason",
        /// Why, for people.
        #[schemars(extend("maxLength" = 32_768))]
        message: String => "message",
    }

    /// What a switch sees.
    AgentState {
        /// Operating system and hardware.
        nos: Option<Nos> = "nos",
        /// Ports by name.
        interfaces: BTreeMap<String, Interface> = "interfaces",
        /// Breakouts by port.
        breakouts: BTreeMap<String, Breakout> = "breakouts",
        /// Transceivers by port.
        transceivers: BTreeMap<String, Transceiver> = "transceivers",
        /// BGP neighbours by VRF and address.
        bgp_neighbors: BTreeMap<String, BTreeMap<String, BgpNeighbor>> = "bgpNeighbors",
        /// BFD peers by VRF and address.
        bfd_peers: BTreeMap<String, BTreeMap<String, BfdPeer>> = "bfdPeers",
        /// Fans, power supplies, temperatures.
        platform: Option<Platform> = "platform",
        /// Tables of the chip.
        critical_resources: Option<CriticalResources> = "criticalResources",
        /// Whether `RoCE` is on.
        roce: Option<bool> = "roce",
        /// Firmware by component.
        firmware: BTreeMap<String, String> = "firmware",
    }

    /// Operating system and hardware.
    Nos {
        /// Version of the chip.
        asic_version: Option<String> = "asicVersion",
        /// Commit that it was built from.
        build_commit: Option<String> = "buildCommit",
        /// When it was built.
        build_date: Option<String> = "buildDate",
        /// Who built it.
        built_by: Option<String> = "builtBy",
        /// Version of its configuration.
        config_db_version: Option<String> = "configDBVersion",
        /// Version of the distribution.
        distribution_version: Option<String> = "distributionVersion",
        /// Version of the hardware.
        hardware_version: Option<String> = "hardwareVersion",
        /// Hardware as the system calls it.
        hwsku_version: Option<String> = "hwskuVersion",
        /// Version of the kernel.
        kernel_version: Option<String> = "kernelVersion",
        /// Manufacturer.
        mfg_name: Option<String> = "mfgName",
        /// Platform as the system calls it.
        platform_name: Option<String> = "platformName",
        /// Product, for people.
        product_description: Option<String> = "productDescription",
        /// Version of the product.
        product_version: Option<String> = "productVersion",
        /// Serial number.
        serial_number: Option<String> = "serialNumber",
        /// Version of the system.
        software_version: Option<String> = "softwareVersion",
        /// How long it is up, as the system says it.
        uptime: Option<String> = "uptime",
    }

    /// A port.
    Interface {
        /// Whether the configuration brings it up.
        enabled: Option<bool> = "enabled",
        /// What it should do.
        admin: Option<AdminState> = "admin",
        /// What it does.
        oper: Option<OperState> = "oper",
        /// MAC address.
        mac: Option<String> = "mac",
        /// When it last went up or down, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        change: Option<String> = "change",
        /// Speed, for example `25G`.
        speed: Option<String> = "speed",
        /// Whether it negotiates.
        auto: Option<bool> = "auto",
        /// Forward error correction.
        fec: Option<String> = "fec",
        /// Whether it was disabled because of errors.
        err_disabled: Option<bool> = "errDisabled",
        /// How many times its link flapped.
        link_flap_count: Option<u32> = "linkFlapCount",
        /// What it hears from the other end.
        lldp_neighbors: Option<Vec<LldpNeighbor>> = "lldpNeighbors",
        /// Traffic.
        counters: Option<Counters> = "counters",
    }

    /// What a port hears from the other end.
    LldpNeighbor {
        /// Chassis.
        chassis: Option<String> = "chassis",
        /// Manufacturer.
        manufacturer: Option<String> = "manuf",
        /// Model.
        model: Option<String> = "model",
        /// Name in the inventory.
        name: Option<String> = "name",
        /// Port, for people.
        port_description: Option<String> = "portDescr",
        /// Port.
        port_id: Option<String> = "portID",
        /// Serial number.
        serial: Option<String> = "serial",
        /// System, for people.
        system_description: Option<String> = "sysDescr",
        /// System.
        system_name: Option<String> = "sysName",
    }

    /// Traffic of a port.
    Counters {
        /// When they were last cleared, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        clear: Option<String> = "clear",
        /// Bits in.
        in_bits: Option<u64> = "inb",
        /// Bits in per second.
        in_bits_per_second: Option<Number> = "inbps",
        /// Packets in that were discarded.
        in_discards: Option<u64> = "ind",
        /// Packets in with errors.
        in_errors: Option<u64> = "ine",
        /// Packets in per second; the resource spells it so.
        in_packets_per_second: Option<Number> = "inpbs",
        /// Use of the line inwards, percent.
        in_percent: Option<u8> = "inu",
        /// Bits out.
        out_bits: Option<u64> = "outb",
        /// Bits out per second.
        out_bits_per_second: Option<Number> = "outbps",
        /// Packets out that were discarded.
        out_discards: Option<u64> = "outd",
        /// Packets out with errors.
        out_errors: Option<u64> = "oute",
        /// Packets out per second.
        out_packets_per_second: Option<Number> = "outpps",
        /// Use of the line outwards, percent.
        out_percent: Option<u8> = "outu",
        /// Queues by name.
        queues: BTreeMap<String, Queue> = "queues",
    }

    /// Traffic of a queue.
    Queue {
        /// Bits.
        bits: Option<u64> = "b",
        /// Bits per second.
        bits_per_second: Option<u64> = "bps",
        /// Bits that were dropped.
        dropped_bits: Option<u64> = "db",
        /// Packets that were dropped.
        dropped_packets: Option<u64> = "dp",
        /// Bits that were marked.
        marked_bits: Option<u64> = "ecnb",
        /// Packets that were marked.
        marked_packets: Option<u64> = "ecnp",
        /// Packets.
        packets: Option<u64> = "p",
        /// Packets per second.
        packets_per_second: Option<u64> = "pps",
        /// Packets that were dropped early.
        early_dropped_packets: Option<u64> = "wreddp",
    }

    /// Breakout of a port.
    Breakout {
        /// Mode, for example `4x25G`.
        mode: Option<String> = "mode",
        /// Whether it is done.
        status: Option<String> = "status",
    }

    /// A BGP neighbour.
    BgpNeighbor {
        /// State of the session.
        state: Option<BgpState> = "state",
        /// Whether it is on.
        enabled: Option<bool> = "enabled",
        /// How many times the session dropped.
        dropped: Option<u64> = "connDropped",
        /// How many times it was established.
        established: Option<u64> = "estabTrans",
        /// When it was last established, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_established: Option<String> = "lastEstab",
        /// When it last heard, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_read: Option<String> = "lastRead",
        /// When it last reset, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_reset: Option<String> = "lastReset",
        /// Why it last reset.
        last_reset_reason: Option<String> = "lastResetReason",
        /// When it last spoke, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_write: Option<String> = "lastWrite",
        /// Own ASN.
        local_as: Option<u32> = "localAS",
        /// Messages.
        messages: Option<BgpMessages> = "msgs",
        /// ASN of the other side.
        peer_as: Option<u32> = "peerAS",
        /// Group of the other side.
        peer_group: Option<String> = "peerGroup",
        /// Port of the other side.
        peer_port: Option<u16> = "peerPort",
        /// Internal or external.
        peer_type: Option<String> = "peerType",
        /// Prefixes by address family.
        prefixes: Option<BTreeMap<String, BgpPrefixes>> = "prefixes",
        /// Router id of the other side.
        remote_router_id: Option<String> = "remoteRouterID",
        /// What the other side said when it shut down.
        shutdown_message: Option<String> = "shutdownMsg",
    }

    /// Messages of a BGP session.
    BgpMessages {
        /// Heard.
        received: Option<BgpMessageCounts> = "rec",
        /// Sent.
        sent: Option<BgpMessageCounts> = "sent",
    }

    /// Messages by type.
    BgpMessageCounts {
        /// Capability.
        capability: Option<u64> = "cap",
        /// Keepalive.
        keepalive: Option<u64> = "keepal",
        /// Notification.
        notification: Option<u64> = "notif",
        /// Open.
        open: Option<u64> = "open",
        /// Route refresh.
        route_refresh: Option<u64> = "rrefresh",
        /// Update.
        update: Option<u64> = "update",
    }

    /// Prefixes of an address family.
    BgpPrefixes {
        /// Accepted.
        received: Option<u32> = "rec",
        /// Heard.
        received_pre_policy: Option<u32> = "recPre",
        /// Sent.
        sent: Option<u32> = "sent",
    }

    /// A BFD peer.
    BfdPeer {
        /// State of the session.
        state: Option<BfdState> = "state",
        /// How many times it failed.
        fails: Option<u64> = "fails",
        /// When it last came up, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        last_up_time: Option<String> = "lastUpTime",
        /// Profile.
        profile: Option<String> = "profile",
    }
}
