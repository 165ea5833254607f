//! An engine: keeps the numbers of a topic's cells, each write applied once, through kill -9.
//!
//!     engine BROKERS TOPIC GROUP FOLDER [REGION ...]
//!
//! The folder has a file a partition, with its cells and the offset of its next event. All engines
//! of the group share it: who is given a partition reads its file, and goes on where that ends.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use example::event::{AtomEvent, EventType};
use example::lattice::Lattice;
use example::peek;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};

const SAVE_EVERY: Duration = Duration::from_secs(1);

struct Engine {
    folder: PathBuf,
    regions: Vec<String>, // all when empty
    // By partition. Only the thread that polls comes here: rebalances happen within a poll.
    lattices: Mutex<HashMap<i32, Lattice>>,
}

impl Engine {
    fn assign(&self, partitions: &mut TopicPartitionList) -> Result<(), Box<dyn Error>> {
        let mut lattices = self.lattices.lock().unwrap();
        let places: Vec<_> =
            partitions.elements().iter().map(|p| (p.topic().to_string(), p.partition())).collect();
        for (topic, partition) in places {
            let lattice = Lattice::open(self.folder.join(format!("{partition}.lattice")))?;
            let next = Offset::Offset(i64::try_from(lattice.next)?);
            partitions.set_partition_offset(&topic, partition, next)?;
            lattices.insert(partition, lattice);
        }
        Ok(())
    }

    fn revoke(&self, partitions: &TopicPartitionList) -> Result<(), Box<dyn Error>> {
        let mut lattices = self.lattices.lock().unwrap();
        for each in partitions.elements() {
            if let Some(mut lattice) = lattices.remove(&each.partition()) {
                lattice.save()?;
            }
        }
        Ok(())
    }

    fn take(&self, message: &impl Message) {
        let mut lattices = self.lattices.lock().unwrap();
        let Some(lattice) = lattices.get_mut(&message.partition()) else { return };
        if let Err(fault) = self.apply(lattice, message.payload().unwrap_or_default()) {
            eprintln!("partition {}, offset {}: {fault}", message.partition(), message.offset());
        }
        lattice.next = message.offset() as u64 + 1;
    }

    fn apply(&self, lattice: &mut Lattice, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
        // One field tells a foreign event; nothing else of it is looked at.
        if let Some(region) = peek::text(bytes, AtomEvent::VT_REGION)? {
            let wanted = |each: &String| each.as_bytes() == region;
            if !self.regions.is_empty() && !self.regions.iter().any(wanted) {
                return Ok(());
            }
        }
        let event = flatbuffers::root::<AtomEvent>(bytes)?; // verified
        if event.type_() == EventType::MOLECULE_WRITE {
            lattice.apply(&event)?;
        }
        Ok(())
    }

    fn save(&self) -> Result<(), Box<dyn Error>> {
        for lattice in self.lattices.lock().unwrap().values_mut() {
            lattice.save()?;
        }
        Ok(())
    }
}

impl ClientContext for Engine {}

impl ConsumerContext for Engine {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        // What cannot be read or saved ends the engine: the file is as it was, and so is the log.
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assign(partitions).expect("reading the lattices");
            consumer.incremental_assign(partitions).expect("taking the partitions");
        } else {
            self.revoke(partitions).expect("saving the lattices");
            consumer.incremental_unassign(partitions).expect("giving the partitions back");
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, brokers, topic, group, folder, regions @ ..] = &words[..] else {
        return Err("usage: engine BROKERS TOPIC GROUP FOLDER [REGION ...]".into());
    };
    let engine = Engine {
        folder: folder.into(),
        regions: regions.to_vec(),
        lattices: Mutex::default(),
    };
    let consumer: BaseConsumer<Engine> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false") // the offsets are in the files
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "6000") // so long a killed engine's partitions wait
        .create_with_context(engine)?;
    consumer.subscribe(&[topic])?;
    let mut saved = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => consumer.context().take(&message),
            Some(Err(error)) => eprintln!("{error}"),
            None => {}
        }
        if saved.elapsed() >= SAVE_EVERY {
            consumer.context().save()?;
            saved = Instant::now();
        }
    }
}
