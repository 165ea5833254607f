// Writes events as the Go service does: segmentio/kafka-go with the balancer Hash. In a module of
// its own, because only the tests of atomwire need it.
//
//	partition BROKERS TOPIC < LINES
//
// publishes one message for each line, which holds its key and its value, both hexadecimal.
//
//	partition -bench N BROKERS TOPIC < LINES
//
// publishes those lines again and again until N are acknowledged, and prints the seconds it took.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	log.SetFlags(0)
	bench := flag.Int("bench", 0, "messages to publish while the clock runs")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: partition [-bench N] BROKERS TOPIC < LINES")
	}
	messages := read()
	writer, acknowledged := newWriter(strings.Split(flag.Arg(0), ","), flag.Arg(1))
	count := len(messages)
	// The connections and the metadata are there before the clock starts.
	if *bench > 0 {
		publish(writer, messages[:1], 1)
		for acknowledged.Load() < 1 {
			time.Sleep(time.Millisecond)
		}
		count = *bench
	}
	start := time.Now()
	publish(writer, messages, count)
	if err := writer.Close(); err != nil { // waits for what is under way
		log.Fatal(err)
	}
	fmt.Println(time.Since(start).Seconds())
	if *bench > 0 {
		count++
	}
	if got := int(acknowledged.Load()); got != count {
		log.Fatalf("%d of %d messages were acknowledged", got, count)
	}
}

func newWriter(brokers []string, topic string) (*kafka.Writer, *atomic.Int64) {
	var acknowledged atomic.Int64
	return &kafka.Writer{
		Addr:         kafka.TCP(brokers...),
		Topic:        topic,
		Balancer:     &kafka.Hash{},
		BatchSize:    100,
		BatchTimeout: 10 * time.Millisecond,
		Async:        true,
		Compression:  kafka.Snappy,
		RequiredAcks: kafka.RequireAll,
		Completion: func(messages []kafka.Message, err error) {
			if err != nil {
				log.Fatal(err)
			}
			acknowledged.Add(int64(len(messages)))
		},
	}, &acknowledged
}

// The service hands over what it has at the moment: here, up to a hundred at once.
const atOnce = 100

func publish(writer *kafka.Writer, messages []kafka.Message, count int) {
	ctx := context.Background()
	for sent := 0; sent < count; {
		from := sent % len(messages)
		to := min(from+atOnce, len(messages), from+count-sent)
		if err := writer.WriteMessages(ctx, messages[from:to]...); err != nil {
			log.Fatal(err)
		}
		sent += to - from
	}
}

func read() []kafka.Message {
	var messages []kafka.Message
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), " ")
		if !found {
			log.Fatalf("not a key and a value: %q", lines.Text())
		}
		messages = append(messages, kafka.Message{Key: unhex(key), Value: unhex(value)})
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	if len(messages) == 0 {
		log.Fatal("no messages on stdin")
	}
	return messages
}

func unhex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		log.Fatal(err)
	}
	return data
}
