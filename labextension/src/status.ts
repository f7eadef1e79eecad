import { Widget } from '@lumino/widgets';

import type { Health } from './health';

const KEY_WORDS: Record<Health['encryption_key'], string> = {
  available: 'available',
  missing: 'missing: run %flowlib_secret init, or set FLOWLIB_ENCRYPTION_KEY',
  invalid: 'not valid: run %flowlib_secret for what is wrong with it'
};

/** The workspace is given relative to the folder that the server shows. */
const WORKSPACE_WORDS = new Map([['.', "the server's folder"]]);

/** The status as a table; every value is set as text, never as HTML. */
export function statusTable(health: Health): Widget {
  const table = document.createElement('table');
  table.className = 'flowlib-status';
  const rows: [string, string][] = [
    ['Version', health.version],
    ['Workspace', WORKSPACE_WORDS.get(health.workspace) ?? health.workspace],
    ['Encryption key', KEY_WORDS[health.encryption_key]]
  ];
  for (const [name, value] of rows) {
    const row = table.insertRow();
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    row.append(head);
    row.insertCell().textContent = value;
  }
  return new Widget({ node: table });
}
