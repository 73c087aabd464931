/** Names that clients asked for, kept rendered for each caller; what comes after is rendered anew each time. */
export const maxRemembered = 50_000;
