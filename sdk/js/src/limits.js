/** The host's bounds, all of one call unless they say otherwise. */

/** All documents of one player in one game, keys and values together. */
export const DOCUMENTS_BYTES_MAX = 16 * 1024;

/** The result. */
export const REPLY_BYTES_MAX = 64 * 1024;

/** Stakes, payouts and refunds. */
export const TRANSFERS_MAX = 256;

/** Draws; a shuffle counts once for each element but the last, and at least once. */
export const DRAWS_MAX = 4096;

/** Weights of one weighted draw, and elements of one shuffle. */
export const DRAW_CHOICES_MAX = 1024;

/** Notifications and events together. */
export const EFFECTS_MAX = 32;

/** The JSON of one notification or event. */
export const EFFECT_BYTES_MAX = 4 * 1024;
