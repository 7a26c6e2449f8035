import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

/** The schema that CycloneDX publishes for version 1.6, out of the package of its own library. */
export function cyclonedx(): ValidateFunction {
  const ajv = new Ajv({ strict: false, allErrors: true });
  const addFormats = formats as unknown as (ajv: Ajv) => void;
  addFormats(ajv);
  ajv.addFormat('idn-email', true);
  ajv.addFormat('iri-reference', true);
  const folder = 'node_modules/@cyclonedx/cyclonedx-library/res/schema';
  const schema = (name: string): object =>
    JSON.parse(readFileSync(`${folder}/${name}.SNAPSHOT.schema.json`, 'utf8')) as object;
  for (const name of ['spdx', 'jsf-0.82'])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  return ajv.compile(schema('bom-1.6'));
}
