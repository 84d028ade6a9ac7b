"""Published figures and tables, each made again by `couple reproduce NAME`. May import all of reducers and couple."""
