// What other features may use of dashboard; everything else in this folder is its own.
export {}
