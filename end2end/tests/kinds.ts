// The kinds as an outsider knows them: where the API serves them and where the console lists them. Spelled
// out rather than read from the product, which is what is tested.
import type { Collection } from './cluster.ts';

/** A kind: `kind` in the API and in `data-kind`, its collection, and whether people write it. */
export interface Kind extends Collection {
  kind: string;
}

const VPC = 'vpc.githedgehog.com/v1beta1';
const WIRING = 'wiring.githedgehog.com/v1beta1';
const AGENT = 'agent.githedgehog.com/v1beta1';
const GATEWAY = 'gateway.githedgehog.com/v1alpha1';

const kind = (name: string, api: string, plural: string): Kind => ({ kind: name, api, plural, namespace: 'default' });

/** The twelve that people write. */
export const TWELVE: readonly Kind[] = [
  kind('VPC', VPC, 'vpcs'),
  kind('VPCAttachment', VPC, 'vpcattachments'),
  kind('VPCPeering', VPC, 'vpcpeerings'),
  kind('External', VPC, 'externals'),
  kind('ExternalAttachment', VPC, 'externalattachments'),
  kind('ExternalPeering', VPC, 'externalpeerings'),
  kind('IPv4Namespace', VPC, 'ipv4namespaces'),
  kind('Switch', WIRING, 'switches'),
  kind('Server', WIRING, 'servers'),
  kind('Connection', WIRING, 'connections'),
  kind('SwitchGroup', WIRING, 'switchgroups'),
  kind('VLANNamespace', WIRING, 'vlannamespaces'),
];

/** Those that are watched where the cluster serves them. */
export const OBSERVED: readonly Kind[] = [
  kind('Agent', AGENT, 'agents'),
  kind('SwitchProfile', WIRING, 'switchprofiles'),
  kind('Catalog', AGENT, 'catalogs'),
  kind('DHCPSubnet', 'dhcp.githedgehog.com/v1beta1', 'dhcpsubnets'),
  kind('Gateway', GATEWAY, 'gateways'),
  kind('GatewayGroup', GATEWAY, 'gatewaygroups'),
  kind('GatewayPeering', GATEWAY, 'gatewaypeerings'),
  kind('VPCInfo', GATEWAY, 'vpcinfos'),
  kind('GatewayAgent', 'gwint.githedgehog.com/v1alpha1', 'gatewayagents'),
];

export const ALL: readonly Kind[] = [...TWELVE, ...OBSERVED];

/** A kind by its name. */
export function named(name: string): Kind {
  const found = ALL.find((one) => one.kind === name);
  if (found === undefined) throw new Error(`there is no kind ${name}`);
  return found;
}

/** As a fault spells it: `switches.wiring.githedgehog.com`. */
export function resource({ api, plural }: Collection): string {
  return `${plural}.${api.slice(0, api.indexOf('/'))}`;
}
