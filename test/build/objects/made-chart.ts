import { gzipSync } from 'node:zlib';
import type { Environment } from '../../../src/core/context.ts';
import { clientPrograms } from '../../lab/kubernetes/clients.ts';
import { tarOf } from '../../support/tar.ts';

/** The archive of a chart with these files below its folder; `Chart.yaml` is added. */
export function chartArchive(files: Readonly<Record<string, string>>, name = 'demo'): Buffer {
  const all = { 'Chart.yaml': chartYaml(name), ...files };
  const entries = Object.entries(all).map(([path, content]) => ({
    path: `${name}/${path}`,
    data: content,
  }));
  return gzipSync(tarOf(...entries));
}

export function chartYaml(name: string, further = ''): string {
  return `apiVersion: v2\nname: ${name}\nversion: 1.0.0\nappVersion: '2.0'\n${further}`;
}

/** A ConfigMap with this data, each line of it YAML. */
export function configMap(name: string, ...data: readonly string[]): string {
  const lines = data.map((line) => `  ${line}\n`).join('');
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n${lines}`;
}

/** A Deployment with one container of this image. */
export function deployment(name: string, image: string, further = ''): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers:
        - name: ${name}
          image: ${image}
${further}`;
}

/** An environment with the real helm and kubectl in its `PATH`. */
export async function withClients(): Promise<Environment> {
  return { PATH: `${await clientPrograms()}:${process.env['PATH']}` };
}
