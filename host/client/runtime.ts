// How calls travel: JSON-RPC 2.0 over fetch, with the session's token. The same for every host and game.

/** Where a host is, and who calls. */
export interface ClientOptions {
  /** The host's address, as `https://casino.example`. */
  url: string;
  /** The session's token, or what gets it: an operator's backend opens sessions. */
  token: string | (() => string | Promise<string>);
  /** What to use in place of the global fetch. */
  fetch?: typeof fetch;
}

/** What may be said about one call. */
export interface CallOptions {
  /** Makes the call safe to repeat: the same key with the same params gets the same reply, and stakes once. */
  idempotencyKey?: string;
}

/** What a host or a game answers in place of a result. */
export class RpcError extends Error {
  override readonly name = "RpcError";

  constructor(
    /** 1 to 999 for a game's own faults, -32099 to -32000 for the host's, and the five of JSON-RPC. */
    readonly code: number,
    message: string,
    /** What a program may want to know; the host's own errors have a `reason`. */
    readonly data?: unknown,
  ) {
    super(message);
  }

  /** The stable word of a host's error. */
  get reason(): HostReason | undefined {
    const data = this.data as { reason?: HostReason } | null | undefined;
    return data?.reason;
  }
}

/** What came back was no answer of a host's. */
export class TransportError extends Error {
  override readonly name = "TransportError";

  constructor(
    message: string,
    /** The status of HTTP. */
    readonly status: number,
  ) {
    super(message);
  }
}

type Call = <R>(method: string, params: object, options?: CallOptions) => Promise<R>;

interface Request {
  jsonrpc: "2.0";
  id: number;
  method: string;
  params: object;
}

interface Response {
  id: number | null;
  result?: unknown;
  error?: { code: number; message: string; data?: unknown };
}

function request(id: number, method: string, params: object, options?: CallOptions): Request {
  const key = options?.idempotencyKey;
  return { jsonrpc: "2.0", id, method, params: key === undefined ? params : { ...params, idempotency_key: key } };
}

function resultOf(response: Response): unknown {
  const { error } = response;
  if (error) throw new RpcError(error.code, error.message, error.data);
  return response.result;
}

async function post({ url, token, fetch: fetchWith = fetch }: ClientOptions, body: Request | Request[]): Promise<unknown> {
  const bearer = typeof token === "function" ? await token() : token;
  const answer = await fetchWith(`${url.replace(/\/+$/, "")}/rpc`, {
    method: "POST",
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new TransportError(`the host answers with status ${answer.status} and no JSON`, answer.status);
  }
}

/** Calls that wait to be sent together. */
class Batch {
  readonly #requests: Request[] = [];
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: unknown) => void }>();

  readonly call: Call = (method, params, options) =>
    new Promise((resolve, reject) => {
      const id = this.#requests.length;
      this.#requests.push(request(id, method, params, options));
      this.#waiting.set(id, { resolve, reject });
    });

  async send(options: ClientOptions): Promise<void> {
    if (this.#requests.length === 0) return;
    try {
      const answer = (await post(options, this.#requests)) as Response | Response[];
      // A batch that is refused as a whole is answered with one error.
      if (!Array.isArray(answer)) resultOf(answer);
      for (const response of Array.isArray(answer) ? answer : []) this.#settle(response);
      throw new TransportError("the host has left calls of a batch unanswered", 200);
    } catch (error) {
      for (const { reject } of this.#waiting.values()) reject(error);
    }
  }

  #settle(response: Response): void {
    const waiting = this.#waiting.get(response.id ?? -1);
    this.#waiting.delete(response.id ?? -1);
    try {
      waiting?.resolve(resultOf(response) as never);
    } catch (error) {
      waiting?.reject(error);
    }
  }
}

/** A host's methods, and several of them at once. */
export type Client = Calls & {
  /**
   * Sends calls as one batch: `await client.batch((calls) => Promise.all([calls.wallet.balance(), calls.game.list()]))`.
   * Calls of one player run in their order.
   */
  batch<T>(make: (calls: Calls) => T): Promise<Awaited<T>>;
};

/** Connects to a host; nothing is sent until something is called. */
export function connect(options: ClientOptions): Client {
  let calls = 0;
  const single: Call = async <R>(method: string, params: object, callOptions?: CallOptions) => {
    calls += 1;
    return resultOf((await post(options, request(calls, method, params, callOptions))) as Response) as R;
  };
  const batch = async <T>(make: (calls: Calls) => T): Promise<Awaited<T>> => {
    const together = new Batch();
    const made = make(callsOf(together.call));
    // First whoever waits for the calls, or a call that is refused would be nobody's.
    const [result] = await Promise.all([made, together.send(options)]);
    return result;
  };
  return { ...callsOf(single), batch };
}
