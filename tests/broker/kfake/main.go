// Serves as a Kafka cluster on loopback, in memory, with franz-go's kfake, and breaks as it is told.
// In a module of its own, because only the tests of atomwire need it.
//
//	kfake BROKERS
//
// prints the brokers' addresses, reads a command a line from stdin and answers each with a line,
// both JSON, until stdin ends. Topics are made, and their settings changed, as on any Kafka.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// A command to break something, or to look at what is broken.
type command struct {
	Do string // "refuse", "blame", "drop", "delay", "fence"; or "hits", "clear", "shuffle"

	// Which requests break. A zero value chooses all; only Count is 1 where it is not given.
	Key        int16   // the kind of request; Produce is 0
	Topic      string  // of a Produce or Metadata request
	Partitions []int32 // of a Produce request
	Contains   []byte  // in the value of some record
	AtLeast    int     // records in a batch
	Count      int     // requests; -1 until it is cleared

	Code   int16 // "refuse" and "blame": the error
	Millis int   // "delay": for how long
	Fault  int   // "hits" and "clear": which, as its beginning was answered
}

type answer struct {
	Fault     int      `json:"fault"`
	Hits      int      `json:"hits"`
	Addresses []string `json:"addresses,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// What is broken: it counts the requests that it broke, and can be mended.
type fault interface {
	Hits() int
	Remove()
}

func main() {
	log.SetFlags(0)
	brokers, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil {
		log.Fatal("usage: kfake BROKERS")
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(brokers))
	if err != nil {
		log.Fatal(err)
	}
	answers := json.NewEncoder(os.Stdout)
	tell := func(what answer) {
		if err := answers.Encode(what); err != nil {
			log.Fatal(err)
		}
	}
	tell(answer{Addresses: cluster.ListenAddrs()})
	lines := bufio.NewScanner(os.Stdin)
	for faults := []fault(nil); lines.Scan(); {
		var order command
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			tell(answer{Error: err.Error()})
			continue
		}
		var what answer
		what, faults = obey(cluster, order, faults)
		tell(what)
	}
}

func obey(cluster *kfake.Cluster, order command, faults []fault) (answer, []fault) {
	switch order.Do {
	case "hits", "clear":
		if order.Fault < 0 || order.Fault >= len(faults) {
			return answer{Error: "no such fault"}, faults
		}
		if order.Do == "clear" {
			faults[order.Fault].Remove()
		}
		return answer{Fault: order.Fault, Hits: faults[order.Fault].Hits()}, faults
	case "shuffle":
		cluster.ShufflePartitionLeaders()
		return answer{}, faults
	}
	begun, err := begin(cluster, order)
	if err != nil {
		return answer{Error: err.Error()}, faults
	}
	return answer{Fault: len(faults)}, append(faults, begun)
}
