package com.google.flatbuffers;

/** Whether a field is in the vtable: only this package may ask. */
public final class Presence {
  private Presence() {}

  public static boolean of(Table table, int field) {
    return table.__offset(4 + 2 * field) != 0;
  }
}
