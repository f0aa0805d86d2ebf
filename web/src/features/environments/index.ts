// What other features may use of environments; everything else in this folder is its own.
export {}
