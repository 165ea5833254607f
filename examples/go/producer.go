package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/murmur3"

	"example/event/v1"
)

// A write of one cell, named by one member of each dimension. Region is the first of them here.
type write struct {
	tenant  string
	members []string
	number  *float64 // nil clears the cell
}

// One event carries neighbouring writes of one tenant and region, at most so many.
const cellsPerEvent = 1000

func produce(brokers []string, topic string, writes []write) error {
	writer := &kafka.Writer{
		Addr:  kafka.TCP(brokers...),
		Topic: topic,
		// FNV-1a of the key, as every other writer has it: the tenant's partition.
		Balancer:     &kafka.Hash{},
		RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond,
		Compression:  kafka.Snappy,
	}
	builder := flatbuffers.NewBuilder(1 << 16)
	var messages []kafka.Message
	for len(writes) > 0 {
		count := 1
		for count < len(writes) && count < cellsPerEvent && together(writes[0], writes[count]) {
			count++
		}
		messages = append(messages, message(builder, writes[:count]))
		writes = writes[count:]
	}
	if err := writer.WriteMessages(context.Background(), messages...); err != nil {
		return err
	}
	return writer.Close()
}

func together(one, other write) bool {
	return one.tenant == other.tenant && one.members[0] == other.members[0]
}

func message(builder *flatbuffers.Builder, writes []write) kafka.Message {
	now := time.Now()
	return kafka.Message{
		Key:     []byte(writes[0].tenant),
		Value:   event(builder, writes, now),
		Time:    now,
		Headers: []kafka.Header{{Key: "type", Value: []byte("1")}},
	}
}

func event(builder *flatbuffers.Builder, writes []write, now time.Time) []byte {
	builder.Reset()
	cells := make([]flatbuffers.UOffsetT, len(writes))
	for row, each := range writes {
		cells[row] = molecule(builder, each)
	}
	v1.AtomEventStartMoleculesVector(builder, len(cells))
	for row := len(cells) - 1; row >= 0; row-- {
		builder.PrependUOffsetT(cells[row])
	}
	molecules := builder.EndVector(len(cells))
	id := builder.CreateString(uuid.Must(uuid.NewV7()).String())
	tenant := builder.CreateString(writes[0].tenant)
	region := builder.CreateString(writes[0].members[0])
	v1.AtomEventStart(builder)
	v1.AtomEventAddEventId(builder, id)
	v1.AtomEventAddTimestamp(builder, now.UnixNano())
	v1.AtomEventAddType(builder, v1.EventTypeMOLECULE_WRITE)
	v1.AtomEventAddTenantId(builder, tenant)
	v1.AtomEventAddMolecules(builder, molecules)
	v1.AtomEventAddRegion(builder, region)
	builder.Finish(v1.AtomEventEnd(builder))
	return append([]byte(nil), builder.FinishedBytes()...) // the builder is used again
}

func molecule(builder *flatbuffers.Builder, each write) flatbuffers.UOffsetT {
	hash := builder.CreateByteVector(coordinate(each.members))
	v1.FlatMoleculeStart(builder)
	v1.FlatMoleculeAddCoordinateHash(builder, hash)
	if each.number != nil {
		v1.FlatMoleculeAddNumericValue(builder, *each.number) // a zero too
	}
	return v1.FlatMoleculeEnd(builder)
}

// The coordinate: MurmurHash3 (x64, 128 bits, seed 0) of the members, little-endian.
func coordinate(members []string) []byte {
	low, high := murmur3.StringSum128(strings.Join(members, "\x1f"))
	hash := binary.LittleEndian.AppendUint64(nil, low)
	return binary.LittleEndian.AppendUint64(hash, high)
}

// Lines of tenant, number and members with tabs between them; the number `-` clears.
func readWrites(from *bufio.Reader) ([]write, error) {
	var writes []write
	for {
		line, err := from.ReadString('\n')
		if err == io.EOF && line == "" {
			return writes, nil
		}
		if err != nil {
			return nil, err
		}
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(words) < 3 {
			return nil, fmt.Errorf("%q: a line is tenant, number and members", line)
		}
		each := write{tenant: words[0], members: words[2:]}
		if words[1] != "-" {
			number, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			each.number = &number
		}
		writes = append(writes, each)
	}
}
