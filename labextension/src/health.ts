import { ServerConnection } from '@jupyterlab/services';

/** What `GET flowlib/api/health` answers. */
export interface Health {
  version: string;
  workspace: string;
  encryption_key: 'available' | 'missing' | 'invalid';
}

/** Why the server's side of Flowlib could not be asked, in words for the user. */
export class HealthError extends Error {}

/** Ask the server extension how it is. */
export async function fetchHealth(settings: ServerConnection.ISettings): Promise<Health> {
  const url = new URL('flowlib/api/health', settings.baseUrl).href;
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(url, { cache: 'no-store' }, settings);
  } catch {
    throw new HealthError('The Jupyter server cannot be reached.');
  }
  if (response.status === 404) {
    throw new HealthError(
      'The server extension is not enabled. Run: jupyter server extension enable flowlib_nb'
    );
  }
  if (!response.ok) {
    throw new HealthError(`The server answered ${String(response.status)} ${response.statusText}.`);
  }
  return (await response.json()) as Health;
}
