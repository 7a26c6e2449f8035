import { StowageError } from '../core/error.ts';
import { nearest } from '../core/text.ts';
import type { FleetSite } from '../format/fleet.ts';
import type { Database } from './index/database.ts';

/** The sites of a fleet as they are in force, by name. */
export function sitesOf(database: Database): FleetSite[] {
  return database
    .all<{ document: string }>(
      'SELECT document FROM site_document AS d WHERE number = (SELECT max(number) FROM site_document WHERE site = d.site) ORDER BY site',
    )
    .map(({ document }) => indexed(document));
}

/** @throws StowageError `site-unknown` */
export function siteNamed(database: Database, name: string): FleetSite {
  const found = database.first<{ document: string }>(
    'SELECT document FROM site_document WHERE site = ? ORDER BY number DESC LIMIT 1',
    name,
  );
  if (found !== undefined) return indexed(found.document);
  const names = database
    .all<{ site: string }>('SELECT DISTINCT site FROM site_document ORDER BY site')
    .map(({ site }) => site);
  const near = nearest(name, names);
  throw new StowageError('site-unknown', `this fleet has no site ${name}`, {
    expected: names.slice(0, 10).join(', ') || 'a site; none was added yet',
    found: name,
    hint:
      near === undefined
        ? 'run stowage fleet sites to list them, or stowage fleet add-site to add one'
        : `did you mean ${near}?`,
  });
}

/** A document of the index, which was checked when it was read. */
function indexed(document: string): FleetSite {
  return JSON.parse(document) as FleetSite;
}

/** Whether a site has all of these labels. */
export function hasLabels(
  { labels }: Pick<FleetSite, 'labels'>,
  wanted: readonly (readonly [name: string, value: string])[],
): boolean {
  return wanted.every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}
