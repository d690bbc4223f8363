// gcd(a: u8, b: u8) -> (result: u8[])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module gcd (
    input  logic       clk,
    input  logic       rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic       start,
    output logic       busy,
    output logic       done,

    // taken with start
    input  logic [7:0] a,
    input  logic [7:0] b,

    // valid from done on
    output logic [7:0] result
);
  logic step_1;  // one-hot: the cycle

  // ----------------------------------------------------------------------- the run (designs.py:64)
  logic       accepted;
  logic [7:0] a_held;
  logic [7:0] b_held;
  logic       go;

  assign accepted = start && !busy;

  always_ff @(posedge clk) begin
    if (rst) begin
      go <= 1'b0;
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      go <= accepted;
      if (accepted) begin
        busy <= 1'b1;
      end else if (step_1) begin
        busy <= 1'b0;
      end
      done <= step_1;
    end
  end

  always_ff @(posedge clk) begin
    if (accepted) begin
      a_held <= a;
      b_held <= b;
    end
  end

  // -------------------------------------------- while: an iteration takes 1 cycles (designs.py:67)
  logic              again;  // another iteration begins
  logic              x_lt_y;
  logic [7:0]        y_next;
  logic [7:0]        y_or_x;
  logic signed [7:0] x;
  logic [7:0]        x_next;
  logic              step;   // one-hot: the cycle of the iteration
  logic [7:0]        x_1;
  logic [7:0]        y;

  assign again = step && (y != 8'd0);
  assign x_lt_y = x_1 < y;

  // designs.py:68: if x < y:
  assign y_next = x_lt_y ? x_1 : y;

  assign y_or_x = x_lt_y ? y : x_1;

  // designs.py:70: x = x - y
  assign x = $signed(y_or_x) - $signed(y_next);
  assign x_next = $unsigned(x);

  always_ff @(posedge clk) begin
    if (rst) begin
      step <= 1'b0;
    end else begin
      step <= go || again;
    end
  end

  // designs.py:65, 66
  always_ff @(posedge clk) begin
    if (go) begin
      x_1 <= a_held;
      y <= b_held;
    end else if (again) begin
      x_1 <= x_next;
      y <= y_next;
    end
  end

  // --------------------------------------------------- straight-line code: 1 cycle (designs.py:71)
  logic start_block;

  assign start_block = step && (y == 8'd0);

  always_ff @(posedge clk) begin
    if (rst) begin
      step_1 <= 1'b0;
    end else begin
      step_1 <= start_block;
    end
  end

  // ----------------------------------------------------------------------------------------- ports
  assign result = x_1;
endmodule
