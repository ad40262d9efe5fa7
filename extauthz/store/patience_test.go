package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestReadKeepsToTheDeadlineOfWhoAsks: a check that outlives its own deadline is answered by Envoy's failure mode. Nobody
// pays for another's haste either: who still has time reads for themselves.
func TestReadKeepsToTheDeadlineOfWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string, int]("test", 100, nil)
		slow := func(ctx context.Context) (int, error) { // a database that takes two seconds
			select {
			case <-time.After(2 * time.Second):
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		began := time.Now()
		var wg sync.WaitGroup
		ask := func(patience time.Duration) (v int, took time.Duration, err error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			v, err = c.get(ctx, "k", slow)
			return v, time.Since(began), err
		}
		wg.Go(func() {
			if _, took, err := ask(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || took != 300*time.Millisecond {
				t.Errorf("hasty: %v after %s", err, took)
			}
		})
		synctest.Wait() // the hasty one reads, the others wait for it
		for range 3 {
			wg.Go(func() {
				if v, took, err := ask(5 * time.Second); err != nil || v != 7 || took > 2500*time.Millisecond {
					t.Errorf("patient: %d, %v after %s", v, err, took)
				}
			})
		}
		wg.Wait()
	})
}
