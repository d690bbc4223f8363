// search(v: i32[13], key: i32) -> (result: i32[])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module search (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    // error: a check has failed and the run ends; error_code says which
    input  logic               start,
    output logic               busy,
    output logic               done,
    output logic               error,
    output logic               error_code,

    // taken with start
    input  logic signed [31:0] key,

    // valid from done on
    output logic signed [31:0] result,

    // v: 13 words of i32
    output logic               v_ren,
    output logic [3:0]         v_raddr,
    input  logic signed [31:0] v_rdata
);
  logic [3:0] mid;
  logic       lo_lt_hi;
  logic [1:0] step;    // one-hot: the cycle of the iteration
  logic [1:0] step_1;  // one-hot: the cycle

  // ---------------------------------------------------------------------- the run (designs.py:109)
  logic               accepted;
  logic               kill;  // a check has failed: the run ends
  logic               mid_ge_13;
  logic               step_or_error;
  logic signed [31:0] key_held;
  logic               go;

  assign accepted = start && !busy;

  assign kill = error && busy;

  // designs.py:113: mid = gm.cast((lo + hi) >> 1, i32)
  assign mid_ge_13 = mid >= 4'd13;

  // designs.py:118: return lo
  assign step_or_error = step_1[1] || error;

  always_ff @(posedge clk) begin
    if (rst) begin
      go <= 1'b0;
      error <= 1'b0;
      error_code <= 1'b0;
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (kill) begin
        go <= 1'b0;
      end else begin
        go <= accepted;
      end
      if (accepted) begin
        error <= 1'b0;
        busy <= 1'b1;
      end else begin
        if (step[0] && lo_lt_hi && mid_ge_13) error <= 1'b1;
        if (step_or_error) busy <= 1'b0;
      end
      if (step[0] && lo_lt_hi && mid_ge_13 && !error) error_code <= 1'b1;
      done <= busy && step_or_error;
    end
  end

  always_ff @(posedge clk) if (accepted) key_held <= key;

  // ------------------------------------------- while: an iteration takes 2 cycles (designs.py:112)
  logic       again;  // another iteration begins
  logic [4:0] lo_plus_hi;
  logic [3:0] lo;
  logic       v_rdata_lt_key_held;
  logic [3:0] lo_next;
  logic [3:0] hi_next;
  logic       lo_lt_hi_1;
  logic [3:0] mid_q;
  logic [3:0] lo_1;
  logic [3:0] hi;

  assign again = step[1] && lo_lt_hi_1;
  assign lo_plus_hi = 5'(lo_1) + 5'(hi);

  // designs.py:113: mid = gm.cast((lo + hi) >> 1, i32)
  assign mid = lo_plus_hi[4:1];

  // designs.py:115: lo = mid + 1
  assign lo = mid_q + 4'd1;

  // designs.py:114: if v[mid] < key:
  assign v_rdata_lt_key_held = v_rdata < key_held;
  assign lo_next = v_rdata_lt_key_held ? lo : lo_1;
  assign hi_next = v_rdata_lt_key_held ? hi : mid_q;

  assign lo_lt_hi = lo_1 < hi;

  always_ff @(posedge clk) begin
    if (rst || kill) begin
      step <= '0;
    end else begin
      step <= {step[0], go || again};
    end
  end

  // designs.py:110, 111, 112, 113
  always_ff @(posedge clk) begin
    if (step[0]) begin
      lo_lt_hi_1 <= lo_lt_hi;
      mid_q <= mid;
    end
    if (go) begin
      lo_1 <= 4'd0;
      hi <= 4'd13;
    end else if (again) begin
      lo_1 <= lo_next;
      hi <= hi_next;
    end
  end

  // ------------------------------------------------- straight-line code: 2 cycles (designs.py:118)
  logic               start_block;
  logic signed [31:0] result_1;

  assign start_block = step[1] && !lo_lt_hi_1;
  assign result_1 = $signed(32'(lo_1));

  always_ff @(posedge clk) begin
    if (rst || kill) begin
      step_1 <= '0;
    end else begin
      step_1 <= {step_1[0], start_block};
    end
  end

  always_ff @(posedge clk) if (step_1[0]) result <= result_1;

  // ----------------------------------------------------------------------------------------- ports
  assign v_raddr = mid;
  assign v_ren = step[0];

  // bits that nothing reads
  logic unused;
  assign unused = &{1'b0, lo_plus_hi[0]};
endmodule
