import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog } from '@jupyterlab/apputils';

import { fetchHealth, HealthError } from './health';
import { statusTable } from './status';

const SHOW_STATUS = 'flowlib:show-status';

/** The command that shows how Flowlib is set up on this server. */
const status: JupyterFrontEndPlugin<void> = {
  id: 'flowlib-nb:status',
  description: 'Shows how Flowlib is set up on this server.',
  autoStart: true,
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, palette: ICommandPalette | null) => {
    app.commands.addCommand(SHOW_STATUS, {
      label: 'Flowlib: Show Status',
      execute: () => showStatus(app)
    });
    palette?.addItem({ command: SHOW_STATUS, category: 'Flowlib' });
  }
};

async function showStatus(app: JupyterFrontEnd): Promise<void> {
  let body;
  try {
    body = statusTable(await fetchHealth(app.serviceManager.serverSettings));
  } catch (error) {
    if (!(error instanceof HealthError)) {
      throw error;
    }
    body = error.message;
  }
  await showDialog({ title: 'Flowlib', body, buttons: [Dialog.okButton()] });
}

export default [status];
