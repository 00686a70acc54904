//! The body of a switch: fans, power, temperatures, optics, tables of the chip.
//!
//! Invariant: a reading that the switch does not report is absent, never zero.

use std::collections::BTreeMap;

use serde_json::Number;

use crate::spec::shape::shape;

shape! {
    /// Fans, power supplies and temperatures.
    Platform {
        /// Fans by name.
        fans: BTreeMap<String, Fan> = "fans",
        /// Power supplies by name.
        psus: BTreeMap<String, Psu> = "psus",
        /// Temperatures by sensor.
        temps: BTreeMap<String, Temperature> = "temps",
    }

    /// A fan.
    Fan {
        /// Direction of the air.
        direction: Option<String> = "dir",
        /// Whether it is there.
        presence: Option<bool> = "presence",
        /// Speed, percent.
        speed: Option<Number> = "speed",
        /// Whether it works.
        status: Option<bool> = "status",
    }

    /// A power supply.
    Psu {
        /// Ampere in.
        in_current: Option<Number> = "inCurrent",
        /// Watt in.
        in_power: Option<Number> = "inPower",
        /// Volt in.
        in_voltage: Option<Number> = "inVoltage",
        /// Ampere out.
        out_current: Option<Number> = "outCurrent",
        /// Watt out.
        out_power: Option<Number> = "outPower",
        /// Volt out.
        out_voltage: Option<Number> = "outVoltage",
        /// Whether it is there.
        presence: Option<bool> = "presence",
        /// Whether it works.
        status: Option<bool> = "status",
    }

    /// A temperature, degrees Celsius.
    Temperature {
        /// Alarm, as the switch says it.
        alarms: Option<String> = "alarms",
        /// Above this the switch is in danger.
        critical_high: Option<Number> = "critHighThreshold",
        /// Below this the switch is in danger.
        critical_low: Option<Number> = "critLowThreshold",
        /// Above this it is too warm.
        high: Option<Number> = "highThreshold",
        /// Below this it is too cold.
        low: Option<Number> = "lowThreshold",
        /// The reading.
        temperature: Option<Number> = "temp",
    }

    /// An optical or copper transceiver.
    Transceiver {
        /// Cable.
        cable: Option<String> = "cable",
        /// Light by channel.
        channels: BTreeMap<String, OpticalChannel> = "channels",
        /// State of its management interface.
        cmis: Option<String> = "cmis",
        /// Application of its management interface.
        cmis_application: Option<u16> = "cmisApp",
        /// Revision of its management interface.
        cmis_revision: Option<String> = "cmisRev",
        /// Connector.
        connector: Option<String> = "connType",
        /// For people.
        description: Option<String> = "descr",
        /// Firmware.
        firmware: Option<String> = "firmware",
        /// Form, for example `QSFP28`.
        form_factor: Option<String> = "formFactor",
        /// Length, metres.
        length: Option<Number> = "length",
        /// Whether it works.
        oper: Option<String> = "oper",
        /// Whether it is there.
        present: Option<String> = "present",
        /// Serial number.
        serial: Option<String> = "serial",
        /// Degrees Celsius.
        temperature: Option<Number> = "temp",
        /// Vendor.
        vendor: Option<String> = "vendor",
        /// Number of the vendor.
        vendor_oui: Option<String> = "vendorOUI",
        /// Part.
        vendor_part: Option<String> = "vendorPart",
        /// Revision of the part.
        vendor_revision: Option<String> = "vendorRev",
        /// Volt.
        voltage: Option<Number> = "voltage",
    }

    /// Light of a channel.
    OpticalChannel {
        /// Bias of the laser, milliampere.
        bias: Option<Number> = "bias",
        /// Power in, dBm.
        power_in: Option<Number> = "in",
        /// Power out, dBm.
        power_out: Option<Number> = "out",
    }

    /// Tables of the chip.
    CriticalResources {
        /// Access lists.
        acl_stats: Option<AclStats> = "aclStats",
        /// Everything else.
        stats: Option<CriticalStats> = "stats",
    }

    /// Access lists by direction.
    AclStats {
        /// Outwards.
        egress: Option<AclPlaces> = "egress",
        /// Inwards.
        ingress: Option<AclPlaces> = "ingress",
    }

    /// Access lists by what they are bound to.
    AclPlaces {
        /// A bundle.
        lag: Option<AclUsage> = "lag",
        /// A port.
        port: Option<AclUsage> = "port",
        /// A routed interface.
        rif: Option<AclUsage> = "rif",
        /// The switch.
        switch: Option<AclUsage> = "switch",
        /// A VLAN.
        vlan: Option<AclUsage> = "vlan",
    }

    /// How many access lists there are.
    AclUsage {
        /// Groups that are left.
        groups_available: Option<u32> = "groupsAvailable",
        /// Groups in use.
        groups_used: Option<u32> = "groupsUsed",
        /// Tables that are left.
        tables_available: Option<u32> = "tablesAvailable",
        /// Tables in use.
        tables_used: Option<u32> = "tablesUsed",
    }

    /// Entries in use and left.
    CriticalStats {
        /// Destination translations left.
        dnat_entries_available: Option<u32> = "dnatEntriesAvailable",
        /// Destination translations in use.
        dnat_entries_used: Option<u32> = "dnatEntriesUsed",
        /// MAC addresses left.
        fdb_entries_available: Option<u32> = "fdbEntriesAvailable",
        /// MAC addresses in use.
        fdb_entries_used: Option<u32> = "fdbEntriesUsed",
        /// Multicast entries left.
        ipmc_entries_available: Option<u32> = "ipmcEntriesAvailable",
        /// Multicast entries in use.
        ipmc_entries_used: Option<u32> = "ipmcEntriesUsed",
        /// IPv4 neighbours left.
        ipv4_neighbors_available: Option<u32> = "ipv4NeighborsAvailable",
        /// IPv4 neighbours in use.
        ipv4_neighbors_used: Option<u32> = "ipv4NeighborsUsed",
        /// IPv4 next hops left.
        ipv4_nexthops_available: Option<u32> = "ipv4NexthopsAvailable",
        /// IPv4 next hops in use.
        ipv4_nexthops_used: Option<u32> = "ipv4NexthopsUsed",
        /// IPv4 routes left.
        ipv4_routes_available: Option<u32> = "ipv4RoutesAvailable",
        /// IPv4 routes in use.
        ipv4_routes_used: Option<u32> = "ipv4RoutesUsed",
        /// IPv6 neighbours left.
        ipv6_neighbors_available: Option<u32> = "ipv6NeighborsAvailable",
        /// IPv6 neighbours in use.
        ipv6_neighbors_used: Option<u32> = "ipv6NeighborsUsed",
        /// IPv6 next hops left.
        ipv6_nexthops_available: Option<u32> = "ipv6NexthopsAvailable",
        /// IPv6 next hops in use.
        ipv6_nexthops_used: Option<u32> = "ipv6NexthopsUsed",
        /// IPv6 routes left.
        ipv6_routes_available: Option<u32> = "ipv6RoutesAvailable",
        /// IPv6 routes in use.
        ipv6_routes_used: Option<u32> = "ipv6RoutesUsed",
        /// Members of next-hop groups left.
        nexthop_group_members_available: Option<u32> = "nexthopGroupMembersAvailable",
        /// Members of next-hop groups in use.
        nexthop_group_members_used: Option<u32> = "nexthopGroupMembersUsed",
        /// Next-hop groups left.
        nexthop_groups_available: Option<u32> = "nexthopGroupsAvailable",
        /// Next-hop groups in use.
        nexthop_groups_used: Option<u32> = "nexthopGroupsUsed",
        /// Source translations left.
        snat_entries_available: Option<u32> = "snatEntriesAvailable",
        /// Source translations in use.
        snat_entries_used: Option<u32> = "snatEntriesUsed",
    }
}
