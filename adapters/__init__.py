"""One folder is one engine behind the contract of `couple.component` and `couple.engine`."""
