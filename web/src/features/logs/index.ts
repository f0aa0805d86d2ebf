// What other features may use of logs; everything else in this folder is its own.
export {}
