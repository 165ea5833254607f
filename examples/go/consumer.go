package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/segmentio/kafka-go"

	"example/event/v1"
)

// The lattice: the last write of each cell. A hash says nothing about its tenant.
type place struct {
	tenant string
	hash   [16]byte
}
type cell struct {
	value any // nil: the cell was cleared
	mask  uint64
}
type lattice map[place]cell

func consume(brokers []string, topic, group string, idle time.Duration) (lattice, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers:     brokers,
		GroupID:     group,
		Topic:       topic,
		StartOffset: kafka.FirstOffset,
		MaxWait:     10 * time.Millisecond,
		// What was committed is sent once a second, and when the reader is closed.
		CommitInterval: time.Second,
	})
	defer reader.Close()
	cells, seen := lattice{}, windows{}
	for {
		message, err := fetch(reader, idle)
		if errors.Is(err, context.DeadlineExceeded) {
			return cells, nil
		}
		if err != nil {
			return nil, err
		}
		if err := apply(cells, seen, message); err != nil {
			log.Printf("partition %d, offset %d: %v", message.Partition, message.Offset, err)
		}
		// After the work, so that a restart repeats it rather than misses it.
		if err := reader.CommitMessages(context.Background(), message); err != nil {
			return nil, err
		}
	}
}

func fetch(reader *kafka.Reader, idle time.Duration) (kafka.Message, error) {
	patience, cancel := context.WithTimeout(context.Background(), idle)
	defer cancel()
	return reader.FetchMessage(patience)
}

// Go's FlatBuffers has no verifier: bytes that are no event make its accessors panic.
func apply(cells lattice, seen windows, message kafka.Message) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("no AtomEvent: %v", fault)
		}
	}()
	event := v1.GetRootAsAtomEvent(message.Value, 0)
	if event.Type() != v1.EventTypeMOLECULE_WRITE {
		return nil
	}
	if seen.again(message.Partition, string(event.EventId())) {
		return nil
	}
	var molecule v1.FlatMolecule
	for row := range event.MoleculesLength() {
		event.Molecules(&molecule, row)
		at := place{tenant: string(event.TenantId())}
		if copy(at.hash[:], molecule.CoordinateHashBytes()) != len(at.hash) {
			return errors.New("a hash that has not 16 bytes")
		}
		cells[at] = cell{valueOf(&molecule), maskOf(&molecule, cells[at].mask)}
	}
	return nil
}

// Normally one value is present. None is: the cell is cleared.
func valueOf(molecule *v1.FlatMolecule) any {
	if number := molecule.NumericValue(); number != nil {
		return *number
	}
	if text := molecule.TextCommentary(); text != nil {
		return string(text)
	}
	if date := molecule.DateValue(); date != nil {
		return time.Unix(0, *date).UTC()
	}
	if truth := molecule.BooleanValue(); truth != nil {
		return *truth
	}
	if failure := molecule.ErrorValue(); failure != nil {
		return errors.New(string(failure))
	}
	return nil
}

// A mask that is absent keeps the cell's. It has a default, so presence is asked of the vtable.
func maskOf(molecule *v1.FlatMolecule, mask uint64) uint64 {
	table := molecule.Table()
	if table.Offset(securityMaskSlot) == 0 {
		return mask
	}
	return molecule.SecurityMask()
}

const securityMaskSlot = 4 + 2*7 // of field 7

// The ids of a partition's latest events: a writer that retries may write one again.
type windows map[int]*window
type window struct {
	ids  map[string]bool
	ring []string
	next int
}

const remembered = 100_000

func (all windows) again(partition int, id string) bool {
	kept := all[partition]
	if kept == nil {
		kept = &window{ids: map[string]bool{}, ring: make([]string, remembered)}
		all[partition] = kept
	}
	if id == "" || kept.ids[id] {
		return id != ""
	}
	delete(kept.ids, kept.ring[kept.next])
	kept.ids[id], kept.ring[kept.next] = true, id
	kept.next = (kept.next + 1) % remembered
	return false
}
