// The bindings of the services of a workerd of one's own.

interface Fetcher {
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

interface PlatformEnv extends WorkerEnv {
  PLATFORM: {
    /** True on the machine of a developer: prints what becomes of each beacon. */
    reportsBeacons: boolean;
    /** True behind a proxy that sets X-Forwarded-For and X-Forwarded-Proto. */
    trustsProxy: boolean;
  };
}
