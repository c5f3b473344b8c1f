/** Write casino games for Croupier in JavaScript or TypeScript: see README.md. */

/** A value that has JSON. A bigint is written as the number it is, and never passes 2^53 - 1. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [member: string]: Json | undefined };

/** Minor units of the session's currency (cents, say): a whole number, 0 to 2^53 - 1. Anything else is an error, never rounded. */
export type Amount = number | bigint;

/** The error a client receives, in JSON-RPC 2.0's shape. A call that ends in a fault changes nothing. */
export class Fault extends Error {
  /** The host refused something and the game did not handle it; `data.refusal` is the refusal's code. */
  static readonly REFUSED: 900;
  /** The params pass the method's schema and yet hold a number that JavaScript would round. */
  static readonly INVALID_PARAMS: 901;
  /** 1 to 899 are the game's own, 900 to 999 the SDK's. Games list theirs with {@link faults}. */
  constructor(code: number, message: string, data?: Json);
  readonly code: number;
  /** Details for programs. */
  readonly data: Json | undefined;
}

/**
 * Why the host declined a request. Nothing has changed: the game may catch it and go on. One that is not caught becomes the
 * fault {@link Fault.REFUSED}.
 */
export class Refusal extends Error {
  constructor(code: string, message: string);
  /**
   * `insufficient-funds`, `no-open-round`, `zero-amount`, `amount-too-large`, `too-many-transfers`, `refund-over-stake`,
   * `too-large`, `invalid-key`, `invalid-json`, `too-many-effects`; there may be more.
   */
  readonly code: string;
}

type Slots<Message extends string> = Message extends `${string}{${infer Name}}${infer Rest}` ? Name | Slots<Rest> : never;

type FaultOf<Message extends string> = [Slots<Message>] extends [never]
  ? () => Fault
  : (data: { readonly [Name in Slots<Message>]: Json }) => Fault;

/**
 * A game's own faults: for each a code from 1 to 899 and a message, whose `{names}` are filled from the fault's data.
 * @example
 * const fault = faults({ unevenStake: [1, "the stake is in steps of {step}"] });
 * throw fault.unevenStake({ step: 10 });
 */
export function faults<const Table extends Readonly<Record<string, readonly [code: number, message: string]>>>(
  table: Table,
): { readonly [Name in keyof Table]: FaultOf<Table[Name][1]> };

/** What a method that only looks may see. Nothing at the table does anything before the call has ended well. */
export interface Look {
  /** What the player can stake now. */
  readonly balance: number;
  /** What this round has staked so far, less what it gave back; 0 when no round is open. */
  readonly staked: number;
  /** Whether a round is open: an earlier call kept it open, or this call has staked. */
  readonly roundOpen: boolean;
  /** The document, or nothing if there is none. The key `state` is taken. */
  document(key: string): any;
  /** The keys of all documents in ascending order, without the state's. */
  documentKeys(): string[];
  /** The player's id, stable for the player's life. */
  readonly player: string;
  /** ISO 4217 or the operator's own code, as in `EUR`. */
  readonly currency: string;
  /** BCP 47, as in `en-GB`. */
  readonly locale: string;
  /** The id of the open round, or of the one this call would open. */
  readonly round: string;
  /** How many calls of this round came before: 0 on the call that opens it. */
  readonly roundStep: number;
  /** Unix milliseconds, fixed for the whole call. There is no other clock. */
  readonly nowMs: number;
}

/** The table a call is played at: money, chance, documents, messages and the facts of the call. */
export interface Table extends Look {
  /**
   * Takes a stake from the balance and returns the new balance; opens a round if none is open.
   * @throws {Refusal} `zero-amount`, `amount-too-large`, `insufficient-funds`, `too-many-transfers`.
   */
  stake(amount: Amount): number;
  /**
   * Pays into the balance and returns the new balance. Paying 0 does nothing, so a loss needs no case of its own.
   * @throws {Refusal} `no-open-round`, `amount-too-large`, `too-many-transfers`.
   */
  pay(amount: Amount): number;
  /**
   * Gives back up to what the round has staked and returns the new balance.
   * @throws {Refusal} `no-open-round`, `zero-amount`, `refund-over-stake`, `too-many-transfers`.
   */
  refund(amount: Amount): number;
  /**
   * Leaves the round open when this call ends, to be continued by the player's next call. Otherwise it is settled: what is
   * staked and not paid or refunded is lost. Keeping a round open without having one is a malfunction.
   */
  keepRoundOpen(): void;

  /** Uniform in 0..bound, a bound of at most 2^53 - 1. Draw when the call can no longer be refused: stake first. */
  below(bound: Amount): number;
  /** An index into `weights`, drawn with probability weight / sum of weights. At most 1,024. */
  weighted(weights: readonly number[]): number;
  /** A uniform permutation of 0..n. At most 1,024. */
  shuffled(n: number): number[];

  /**
   * Writes a document, replacing the one with this key. Keys are `[A-Za-z0-9._-]{1,64}`; `state` is taken.
   * @throws {Refusal} `invalid-key`, `too-large`.
   */
  putDocument(key: string, value: Json): void;
  /** Deletes a document if there is one. */
  deleteDocument(key: string): void;

  /**
   * Sends a notification to the player, once the call's changes are durable: in the words of one of the operator's
   * templates, which the members of `data`, an object, are filled into.
   * @throws {Refusal} `too-large`, `too-many-effects`, and `not-granted` where the operator has not granted the game this
   * channel and template.
   */
  notify(channel: "email" | "push" | "social" | "webhook", template: string, data: Json): void;
  /** As {@link notify}, but not before `delayMs` milliseconds have passed. */
  notifyAfter(delayMs: number, channel: "email" | "push" | "social" | "webhook", template: string, data: Json): void;
  /**
   * Records a fact for the operator's metrics.
   * @throws {Refusal} `too-large`, `too-many-effects`.
   */
  track(name: string, props: Json): void;

  /** Lines for the operator's log: for whoever develops the game. */
  debug(message: string): void;
  /** Worth knowing. */
  info(message: string): void;
  /** Odd, and handled. */
  warn(message: string): void;
  /** Wrong: somebody should look. */
  error(message: string): void;
}

/** JSON Schema 2020-12 of values of type `T`. */
export interface Schema<T> {
  readonly json: Readonly<Record<string, unknown>>;
  /** Never there: it carries the type. */
  readonly of?: T;
}

/** A member that may be left out. */
export interface Optional<T> extends Schema<T> {
  readonly isOptional: true;
}

/** The type of the values that a schema lets pass. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

type Members = Readonly<Record<string, Schema<any>>>;
type OptionalNames<M> = { [Name in keyof M]: M[Name] extends { readonly isOptional: true } ? Name : never }[keyof M];
type ObjectOf<M> = { -readonly [Name in Exclude<keyof M, OptionalNames<M>>]: Infer<M[Name]> } & {
  -readonly [Name in OptionalNames<M>]?: Infer<M[Name]>;
};

interface Described {
  /** What clients read in `rpc.discover`. */
  readonly description?: string;
}

interface Shown<T> extends Described {
  /** Values that play. Clients read them in `rpc.discover`, and `croupier check` makes half of its calls of them. */
  readonly examples?: readonly T[];
}

/** Schemas, each with the type of what it lets pass. */
export const schema: {
  /** A whole number, by default any that is exact: -(2^53 - 1) to 2^53 - 1. */
  integer(options?: { readonly min?: number; readonly max?: number } & Shown<number>): Schema<number>;
  /** An integer of minor units, by default 0 to 2^53 - 1. */
  amount(options?: { readonly min?: number; readonly max?: number } & Shown<number>): Schema<number>;
  number(options?: { readonly min?: number; readonly max?: number } & Shown<number>): Schema<number>;
  string(
    options?: { readonly minLength?: number; readonly maxLength?: number; readonly pattern?: string } & Shown<string>,
  ): Schema<string>;
  boolean(options?: Described): Schema<boolean>;
  /** One of these. */
  oneOf<const T extends string | number>(values: readonly T[], options?: Described): Schema<T>;
  array<T>(
    item: Schema<T>,
    options?: { readonly min?: number; readonly max?: number; readonly unique?: boolean } & Shown<NoInfer<T>[]>,
  ): Schema<T[]>;
  /** These members and no others. */
  object<const M extends Members>(members: M, options?: Shown<ObjectOf<NoInfer<M>>>): Schema<ObjectOf<M>>;
  /** For a member of an object. */
  optional<T>(member: Schema<T>): Optional<T>;
  nullable<T>(value: Schema<T>): Schema<T | null>;
  /** A schema written by hand; say its type, as in `schema.raw<string[]>({ ... })`. */
  raw<T = any>(json: Readonly<Record<string, unknown>>): Schema<T>;
};

/** A declared method; made by {@link method} and {@link look}. */
export interface Method<State, Params = any, Result = any> {
  readonly summary: string;
  readonly run: (host: never, call: never, params: never, state: State) => unknown;
  /** Never there: it carries the types. */
  readonly of?: { readonly params: Params; readonly result: Result };
}

/**
 * A method that plays. `params` have passed their schema; what it changes in `state` is kept for the player; what it returns is the
 * client's result. It answers at once: it cannot be async.
 */
export function method<Params = Record<string, never>, Result = unknown, State = any>(declared: {
  readonly summary: string;
  /** Of an object; no params if left out. */
  readonly params?: Schema<Params>;
  readonly result: Schema<Result>;
  play(table: Table, params: Params, state: State): NoInfer<Result>;
}): Method<State, Params, Result>;

/**
 * A method that only looks: it can move, draw and send nothing, and it leaves the round as it is. Make it so whatever a client may ask
 * for in the middle of a round: the rules, the paytable, the hand.
 */
export function look<Params = Record<string, never>, Result = unknown, State = any>(declared: {
  readonly summary: string;
  readonly params?: Schema<Params>;
  readonly result: Schema<Result>;
  look(table: Look, params: Params, state: State): NoInfer<Result>;
}): Method<State, Params, Result>;

/** A round that a bet plays. */
export interface Round<State = any> {
  /** Whether the round was opened by a stake and goes on. */
  readonly isOpen: boolean;
  /** What the game keeps for the player: for strategies that look at more than replies. */
  readonly state: Readonly<State>;
  /**
   * Calls a method of the game, and returns what it returns. Params are not held against their schema here.
   * @throws {Fault} What the client would receive; it ends the simulation, whatever becomes of it.
   * @throws {Error} On a malfunction of the game, and where the round is settled already.
   */
  play<Params, Result>(
    method: Method<State, Params, Result>,
    ...params: Record<string, never> extends Params ? [params?: NoInfer<Params>] : [params: NoInfer<Params>]
  ): Result;
}

/** A declared bet; made by {@link bet}. */
export interface Bet<State> {
  readonly summary: string;
  readonly play: (round: Round<State>) => unknown;
}

/**
 * A way to play a round: what is staked on, with the strategy where there are choices. `croupier simulate` plays millions of them, by
 * the game's own methods, in the component.
 * @example
 * bet({ summary: "A roll for 30", play: (round) => round.play(roll, { stake: 30 }) })
 */
export function bet<State = any>(declared: {
  /** What it is, for people. */
  readonly summary: string;
  /** Plays one round, from its first stake to its settlement. It has no chance of its own: the same replies, the same choices. */
  play(round: Round<State>): unknown;
}): Bet<State>;

/** A game: what its component exports, and what `TestTable` plays. */
export interface Game<State = any> {
  readonly descriptor: {
    readonly id: string;
    readonly title: string;
    readonly version: string;
    readonly rtpPpm: number;
    readonly maxWinPpm: number;
    readonly methods: readonly {
      readonly name: string;
      readonly summary: string;
      readonly paramsSchema: Readonly<Record<string, unknown>>;
      readonly resultSchema: Readonly<Record<string, unknown>>;
    }[];
  };
  newState(): State;
}

/** Declares a game: the default export of the file that `main` of its package.json names. */
export function game<State extends object = {}>(declared: {
  /** `[a-z][a-z0-9-]*`, the same in every release of the game. */
  readonly id: string;
  /** The game's name for people. */
  readonly title: string;
  /** Semantic version of this release, for people. */
  readonly version: string;
  /** Theoretical return to player in parts per million of the stake. */
  readonly rtpPpm: number;
  /** Largest payout of one round in parts per million of its stake. */
  readonly maxWinPpm: number;
  /** What the game keeps for a new player between calls; nothing if left out. It has JSON. */
  readonly state?: () => State;
  /** By name, `[a-z][a-z0-9_]*`; clients call `<id>.<name>`. */
  readonly methods: Readonly<Record<string, Method<State>>>;
  /** What can be simulated, by name, `[a-z][a-z0-9-]*`; nothing if left out. */
  readonly bets?: Readonly<Record<string, Bet<State>>>;
}): Game<State>;
