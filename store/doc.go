// Package store says what a batch, a row and a commit number are, and what a
// Store does with them: it keeps committed batches of rows and gives the rows
// out at start. It knows nothing of the game: IDs and data are bytes to it.
//
// The Server's loop numbers every turn that changed something and hands over a
// Batch for it. Commit makes what is waiting durable in one transaction. The
// next Server calls Acquire, which shuts out the one before it and tells where
// it stopped, and Load. For a warm reload it loads first, while the other one
// still commits, then acquires and loads what changed since.
//
// The drivers are in the folders below; storetest is the contract that all of
// them pass.
package store
