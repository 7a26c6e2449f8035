// A file of its own, because the list of commands needs it: that is loaded at every start, and schemas are not.

/** What runs the services of a site, as `site.yaml` names it. */
export const targetNames = ['podman', 'docker', 'kubernetes', 'depot'] as const;
export type TargetName = (typeof targetNames)[number];
