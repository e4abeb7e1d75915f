//! A number of places, and a queue for them. Taking and giving back is one atomic operation each while nobody waits.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tokio::sync::Notify;

/// Places that are taken. How many there are, the caller says each time.
#[derive(Default)]
pub(crate) struct Room {
    // sequentially consistent with `waiting`: who gives back sees who waits, or who waits sees the free place
    taken: AtomicU32,
    waiting: AtomicU32,
    freed: Notify,
}

/// One who waits.
struct Waiting<'r>(&'r Room);

impl Room {
    /// Places that are taken.
    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(SeqCst)
    }

    /// Those who wait for one.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(SeqCst)
    }

    /// Takes a place, whatever the limit.
    pub(crate) fn take_any(&self) {
        self.taken.fetch_add(1, SeqCst);
    }

    /// Takes a place if one of `limit` is free, and nobody waits for it.
    #[inline]
    pub(crate) fn try_take(&self, limit: u32) -> bool {
        self.waiting() == 0 && self.take_below(limit)
    }

    /// Waits until one of `limit` is free, and takes it. Stops waiting when it is dropped.
    pub(crate) async fn take(&self, limit: u32) {
        let _waiting = Waiting::new(self);
        loop {
            let freed = self.freed.notified();
            if self.take_below(limit) {
                return;
            }
            freed.await;
        }
    }

    /// Gives a place back.
    #[inline]
    pub(crate) fn give_back(&self) {
        self.taken.fetch_sub(1, SeqCst);
        if self.waiting() > 0 {
            self.freed.notify_one();
        }
    }

    #[inline]
    fn take_below(&self, limit: u32) -> bool {
        self.taken.fetch_update(SeqCst, SeqCst, |n| (n < limit).then(|| n + 1)).is_ok()
    }
}

impl<'r> Waiting<'r> {
    fn new(room: &'r Room) -> Self {
        room.waiting.fetch_add(1, SeqCst);
        Self(room)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_more_than_the_limit_are_in_and_everybody_gets_in() {
        const LIMIT: u32 = 3;
        let (room, inside, entered) =
            (Arc::new(Room::default()), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let tasks: Vec<_> = (0..2_000)
            .map(|n| {
                let (room, inside, entered) = (room.clone(), inside.clone(), entered.clone());
                tokio::spawn(async move {
                    if !room.try_take(LIMIT) {
                        room.take(LIMIT).await;
                    }
                    assert!(inside.fetch_add(1, SeqCst) < LIMIT);
                    if n % 3 == 0 {
                        tokio::task::yield_now().await;
                    }
                    inside.fetch_sub(1, SeqCst);
                    entered.fetch_add(1, SeqCst);
                    room.give_back();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((entered.load(SeqCst), room.taken(), room.waiting()), (2_000, 0, 0));
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_the_place_to_the_next() {
        let room = Arc::new(Room::default());
        assert!(room.try_take(1));
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let room = room.clone();
                tokio::spawn(async move { room.take(1).await })
            })
            .collect();
        while room.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        let [first, second] = <[_; 2]>::try_from(waiting).unwrap();
        // it is told that there is a place, and ends before it can take it
        room.give_back();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        second.await.unwrap();
        assert_eq!((room.taken(), room.waiting()), (1, 0));
    }
}
