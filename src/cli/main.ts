#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { everyGroup } from './every-group.ts';
import { runProcess } from './process.ts';

await runProcess({ program: fileURLToPath(import.meta.url), groups: everyGroup });
