// A service in Go that writes cells, and one that reads them. See docs/another-language.md.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	brokers := flag.String("brokers", "localhost:9092", "addresses, separated by commas")
	topic := flag.String("topic", "atom-events", "the topic")
	group := flag.String("group", "go-example", "the consumer group")
	idle := flag.Duration("idle", time.Hour, "stop reading when so long nothing has come")
	flag.Parse()
	addresses := strings.Split(*brokers, ",")
	switch flag.Arg(0) {
	case "produce":
		writes, err := readWrites(bufio.NewReader(os.Stdin))
		if err == nil {
			err = produce(addresses, *topic, writes)
		}
		if err != nil {
			log.Fatal(err)
		}
	case "consume":
		lattice, err := consume(addresses, *topic, *group, *idle)
		if err != nil {
			log.Fatal(err)
		}
		for at, cell := range lattice {
			fmt.Printf("%s\t%x\t%v\t%d\n", at.tenant, at.hash, cell.value, cell.mask)
		}
	default:
		log.Fatal("usage: example [FLAGS] produce < LINES | example [FLAGS] consume")
	}
}
