import * as z from 'zod';
import { bundleKind } from './bundle.ts';
import { dispatchKind } from './dispatch.ts';
import type { DocumentKind } from './document.ts';
import { evaluationResultKind } from './evaluation-result.ts';
import { fleetEntryKind, fleetKind, fleetSiteKind } from './fleet.ts';
import { promotionKind, recallOrderKind } from './fleet-orders.ts';
import { hopKind } from './hop.ts';
import { lockKind } from './lock.ts';
import { manifestKind } from './manifest.ts';
import { noticeKind } from './notice.ts';
import { planKind } from './plan.ts';
import { keyHandoverKind, receiptKind } from './receipt.ts';
import { rehearsalKind } from './rehearsal.ts';
import { renderedObjectsKind } from './rendered-objects.ts';
import { repairListKind } from './repair-list.ts';
import { reportKind } from './report.ts';
import { signingRequestKind } from './signing-request.ts';
import { siteKind } from './site.ts';
import { siteFormatKind } from './site-state.ts';
import { trustKind } from './trust.ts';

/** Every kind of document that has a JSON Schema. */
export const documentKinds: Readonly<Record<string, DocumentKind<unknown>>> = {
  bundle: bundleKind,
  dispatch: dispatchKind,
  evaluation: evaluationResultKind,
  fleet: fleetKind,
  'fleet-entry': fleetEntryKind,
  'fleet-site': fleetSiteKind,
  hop: hopKind,
  'key-handover': keyHandoverKind,
  lock: lockKind,
  manifest: manifestKind,
  objects: renderedObjectsKind,
  notice: noticeKind,
  plan: planKind,
  promotion: promotionKind,
  'recall-order': recallOrderKind,
  receipt: receiptKind,
  rehearsal: rehearsalKind,
  'repair-list': repairListKind,
  report: reportKind,
  'signing-request': signingRequestKind,
  site: siteKind,
  'site-format': siteFormatKind,
  trust: trustKind,
};

/** Fields that authors can omit, because Stowage adds them before it checks the document. */
const added: Readonly<Record<string, readonly string[]>> = { site: ['name'] };

/** The JSON Schema of every document, by the name of its file in `manifests/schema/`. */
export function jsonSchemas(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(documentKinds).map(([name, kind]) => {
      const schema = z.toJSONSchema(kind.schema, {
        io: 'input',
        unrepresentable: 'any',
        reused: 'inline',
      });
      const required = schema.required?.filter((each) => added[name]?.includes(each) !== true);
      return [
        `${name}.schema.json`,
        `${JSON.stringify({ title: kind.name, ...schema, ...(required === undefined ? {} : { required }) }, null, 2)}\n`,
      ];
    }),
  );
}
