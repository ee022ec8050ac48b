// Asks @cloud-copilot/iam-simulate about every case on standard input; prints one letter for each.
//
// Its public functions either drop the condition keys that an action is not documented to have, or
// fail on resource policies (0.1.173), so that its engine is called as they call it.
import { loadPolicy } from "@cloud-copilot/iam-policy";

const engine = "./node_modules/@cloud-copilot/iam-simulate/dist/esm";
const { authorize } = await import(`${engine}/core_engine/CoreSimulatorEngine.js`);
const { AwsRequestImpl } = await import(`${engine}/request/request.js`);
const { RequestContextImpl } = await import(`${engine}/requestContext.js`);
const { DiscoveryContextKeyConstraints } = await import(
  `${engine}/context_keys/discoveryContextKeyConstraints.js`
);

const { account, role, cases } = JSON.parse(await new Response(process.stdin).text());
const letters = { Allowed: "A", ExplicitlyDenied: "D", ImplicitlyDenied: "-" };
const load = (policies) => policies.map((policy, i) => loadPolicy(policy, { name: `p${i}` }));
const everything = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "*", Resource: "*" }],
};

const answers = cases.map((one) => {
  const analysis = authorize({
    request: new AwsRequestImpl(
      role,
      { resource: one.resource, accountId: account },
      one.action,
      new RequestContextImpl(one.context),
    ),
    sessionPolicy: undefined,
    identityPolicies: load(one.identity),
    serviceControlPolicies: one.service_control.map((level, i) => ({
      orgIdentifier: `level${i}`,
      policies: load(level),
    })),
    resourceControlPolicies: [{ orgIdentifier: "root", policies: load([everything]) }],
    resourcePolicy: one.resource_policy ? load([one.resource_policy])[0] : undefined,
    permissionBoundaries: one.boundary ? load([one.boundary]) : undefined,
    vpcEndpointPolicies: undefined,
    simulationParameters: {
      simulationMode: "Strict",
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([]),
    },
    serviceSettings: { s3: {} },
  });
  return letters[analysis.result];
});
console.log(answers.join(""));
