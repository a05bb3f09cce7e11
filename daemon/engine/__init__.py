"""The life of a record: poll, queue, decide, intent, write, verify, settle, retry, hold."""
