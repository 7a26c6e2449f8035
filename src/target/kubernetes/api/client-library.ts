/** The parts of the client library that are used: by this file, a bundler leaves the rest out, and only this target loads it. */
export { Exec, KubeConfig, PortForward } from '@kubernetes/client-node';
