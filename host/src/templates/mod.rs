//! Templates: the operator's words, by channel and language, filled with what a notification says.
