// What other features may use of runs; everything else in this folder is its own.
export {}
