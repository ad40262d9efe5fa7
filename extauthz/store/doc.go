// Package store keeps the gate's durable state in SQLite or PostgreSQL.
package store
