"""One folder is one engine behind the contract of `couple.components.component` and `couple.components.engine`."""
